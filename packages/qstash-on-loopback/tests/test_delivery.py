"""Retries, timing, concurrency and callbacks of deliveries, tested with the official Python SDK."""

import base64
from itertools import pairwise

import jwt
import pytest
from qstash.message import FlowControl, PublishResponse
from qstash_harness import QStashHarness, StoppableDestination, local_queue, publish, verify
from qstash_on_loopback.signing import CURRENT_KEY, NEXT_KEY

NON_RETRYABLE = (489, {"Upstash-NonRetryable-Error": "true"})


def publish_to(queue: QStashHarness, url: str, number: int) -> str:
    """Publish a numbered message."""
    answer = queue.client.message.publish(url=url, body=str(number), retries=5)
    assert isinstance(answer, PublishResponse)
    return answer.message_id


def test_each_retry_has_a_fresh_token_until_retries_are_exhausted(queue: QStashHarness) -> None:
    """At most four deliveries with one id, counted from 0, with growing waits; then the dead letter queue."""
    queue.destination.script.extend([(500, {}), (400, {}), (302, {"location": "/elsewhere"}), (404, {})])
    message_id = publish(queue, body="b")
    queue.wait(lambda: queue.client.dlq.list(filter={"message_id": message_id}).messages)
    deliveries = queue.destination.to("/hook")
    waits = [b.at - a.at for a, b in pairwise(deliveries)]

    assert [delivery.headers["upstash-retried"] for delivery in deliveries] == ["0", "1", "2", "3"]
    assert {delivery.headers["upstash-message-id"] for delivery in deliveries} == {message_id}
    tokens = [jwt.decode(d.headers["upstash-signature"], options={"verify_signature": False}) for d in deliveries]
    assert len({token["jti"] for token in tokens}) == 4
    assert waits[0] >= 0.012 and waits[1] >= 0.148 and waits[2] >= 1.808
    assert queue.states(message_id) == ["CREATED", *(["ACTIVE", "ERROR", "RETRY"] * 3), "ACTIVE", "ERROR", "FAILED"]
    [letter] = queue.client.dlq.list(filter={"message_id": message_id}).messages
    assert (letter.response_status, letter.response_body, letter.max_retries) == (404, "404 Not Found", 3)


def test_489_stops_only_with_its_header(queue: QStashHarness) -> None:
    """Only status and header together stop the retries."""
    queue.destination.script.append(NON_RETRYABLE)
    final = publish(queue, "/final")
    queue.wait(lambda: queue.states(final)[-1] == "FAILED")
    queue.destination.script.append((489, {}))
    retried = publish(queue, "/again")
    queue.wait(lambda: queue.states(retried)[-1] == "DELIVERED")

    assert len(queue.destination.to("/final")) == 1 and len(queue.destination.to("/again")) == 2


@pytest.mark.parametrize(
    ("headers", "at_least_s", "at_most_s"),
    [
        ({"Retry-After": "300"}, 0.3, 5),
        ({"X-RateLimit-Reset": "5m"}, 0.3, 5),
        ({"X-RateLimit-Reset-Tokens": "4m60s"}, 0.3, 5),
        ({"Retry-After": "0"}, 0, 0.3),
        # More than a day is ignored; the first backoff of 12 s applies.
        ({"Retry-After": "90000"}, 0.012, 0.5),
    ],
)
def test_the_destination_can_set_the_retry_delay(
    queue: QStashHarness, headers: dict[str, str], at_least_s: float, at_most_s: float
) -> None:
    """As seconds or as a duration, in the documented headers."""
    queue.destination.script.append((503, headers))
    message_id = publish(queue)
    queue.wait(lambda: queue.states(message_id)[-1] == "DELIVERED")
    first, second = queue.destination.deliveries

    assert at_least_s <= second.at - first.at <= at_most_s


def test_the_publisher_can_set_the_retry_delay(queue: QStashHarness) -> None:
    """With an expression in milliseconds that may use ``retried``. If it fails later, the default applies."""
    queue.destination.script.extend([(500, {}), (500, {})])
    message_id = publish(queue, retry_delay="300000 / (1 - retried)")
    queue.wait(lambda: queue.states(message_id)[-1] == "DELIVERED")
    first, second, third = queue.destination.deliveries

    assert second.at - first.at >= 0.3 and third.at - second.at >= 0.148


def test_a_timeout_is_a_failed_attempt(queue: QStashHarness) -> None:
    """The attempt fails after the timeout set by the publisher."""
    queue.destination.delay_s = 1.5
    message_id = publish(queue, timeout=1, retries=0)
    queue.wait(lambda: queue.states(message_id)[-1] == "FAILED")

    [letter] = queue.client.dlq.list(filter={"message_id": message_id}).messages
    assert letter.response_status == 0 and "within 1 s" in (letter.response_body or "")


def test_callbacks_report_every_attempt_and_failure_callbacks_the_final_failure(queue: QStashHarness) -> None:
    """Bodies are as documented and signed for the callback's address; a failure callback names the dead letter."""
    queue.destination.script.extend([(500, {"X-Why": "x"}), NON_RETRYABLE])
    message_id = publish(
        queue,
        body="source",
        callback=f"{queue.target}/attempt",
        failure_callback=f"{queue.target}/failed",
        failure_callback_headers={"Forward-X-Own": "f"},
        headers={"X-Source": "s"},
    )
    queue.wait(lambda: queue.destination.to("/failed") and len(queue.destination.to("/attempt")) == 2)
    attempts, [failed] = queue.destination.to("/attempt"), queue.destination.to("/failed")

    by_retried = {each.json["retried"]: each.json for each in attempts}
    assert by_retried[0]["status"] == 500 and by_retried[0]["header"]["X-Why"] == ["x"]
    body = failed.json
    assert (body["status"], body["retried"], body["maxRetries"], body["sourceMessageId"]) == (489, 1, 3, message_id)
    assert base64.b64decode(body["sourceBody"]) == b"source" and base64.b64decode(body["body"]) == b"the answer"
    assert body["url"] == f"{queue.target}/hook" and body["sourceHeader"]["X-Source"] == ["s"]
    assert queue.client.dlq.get(body["dlqId"]).message_id == message_id
    assert "dlqId" not in by_retried[1] and failed.headers["x-own"] == "f"
    for delivery, path in ((failed, "/failed"), (attempts[0], "/attempt")):
        verify(delivery, queue.target + path)
        assert delivery.headers["content-type"] == "application/json"


def test_keys_rotate_and_both_keys_verify() -> None:
    """After a rotation the former next key signs, and a receiver with the old pair still accepts it."""
    with local_queue() as queue:
        before = queue.client.signing_key.get()
        publish(queue, "/old")
        after = queue.client.signing_key.rotate()
        publish(queue, "/new")
        queue.wait(lambda: len(queue.destination.deliveries) == 2)
        [old], [new] = queue.destination.to("/old"), queue.destination.to("/new")

    assert (before.current, before.next) == (CURRENT_KEY, NEXT_KEY) and after.current == NEXT_KEY != after.next
    verify(old, queue.target + "/old", before.current, before.next)
    verify(new, queue.target + "/new", before.current, before.next)
    verify(new, queue.target + "/new", after.current, after.next)


def test_flow_control_limits_a_key(queue: QStashHarness) -> None:
    """Of 1,000 messages at most five run concurrently, each is delivered once, and memory stays small."""
    import tracemalloc

    queue.destination.delay_s = 0.002
    flow = FlowControl(key="slow", parallelism=5)
    tracemalloc.start()
    ids = {publish(queue, "/slow", body=str(number), flow_control=flow) for number in range(1000)}
    queue.wait(lambda: len(queue.destination.deliveries) >= 1000, 60)
    queue.wait(lambda: queue.request("GET", "/v2/flowControl/slow").json()["parallelismCount"] == 0)
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert queue.destination.most_at_once <= 5
    delivered = [delivery.headers["upstash-message-id"] for delivery in queue.destination.deliveries]
    assert len(delivered) == len(set(delivered)) == 1000 and set(delivered) == ids
    assert grown < 40 * 1024 * 1024


def test_flow_control_limits_a_period(queue: QStashHarness) -> None:
    """Two deliveries may start in a period of 1,000 s; the others wait."""
    flow = FlowControl(key="rated", rate=2, period=1000)
    ids = [publish(queue, "/rated", flow_control=flow) for _ in range(6)]
    queue.wait(lambda: len(queue.destination.deliveries) == 6)
    starts = [delivery.at for delivery in queue.destination.deliveries]

    # A scaled period lasts 1 s. The tolerance covers differences in delivery time on a busy machine.
    assert starts[2] - starts[0] >= 0.9 and starts[4] - starts[2] >= 0.9
    assert queue.request("GET", "/v2/flowControl?search=rated").json()[0]["rateMax"] == 2
    queue.wait(lambda: all(queue.states(message_id)[-1] == "DELIVERED" for message_id in ids))


def test_a_restarted_destination_gets_every_message() -> None:
    """A refused connection is a failed attempt like any other, and is retried."""
    stoppable = StoppableDestination()
    with local_queue() as queue:
        stoppable.start()
        ids = [publish_to(queue, stoppable.url, number) for number in range(5)]
        queue.wait(lambda: len(stoppable.destination.deliveries) == 5)
        stoppable.stop()
        ids += [publish_to(queue, stoppable.url, number) for number in range(5, 15)]
        queue.wait(lambda: all("RETRY" in queue.states(one) for one in ids[5:]))
        stoppable.start()
        try:
            queue.wait(lambda: all(queue.states(message_id)[-1] == "DELIVERED" for message_id in ids))
        finally:
            stoppable.stop()

    assert sorted(int(each.body) for each in stoppable.destination.deliveries) == list(range(15))
