"""The local QStash, judged by the official Python SDK: what arrives, how often, when, and what is said of it."""

import base64
import hashlib
import time
from collections.abc import Generator
from itertools import pairwise
from typing import Any

import jwt
import pytest
from qstash import Receiver
from qstash.errors import QStashError
from qstash.message import FlowControl, PublishResponse

from local.qstash.signing import CURRENT_KEY, NEXT_KEY
from tests.support.queue import Delivery, Mortal, Queue, local_queue

NOT_FOUND: tuple[int, dict[str, str]] = (404, {})
NON_RETRYABLE = (489, {"Upstash-NonRetryable-Error": "true"})


@pytest.fixture(scope="module")
def server() -> Generator[Queue, None, None]:
    """A server whose waits are a thousandth."""
    with local_queue() as queue:
        yield queue


@pytest.fixture
def queue(server: Queue) -> Queue:
    """The server, its destination willing and without memory."""
    server.client.message.cancel_all()
    for letter in server.client.dlq.list().messages:
        server.client.dlq.delete(letter.dlq_id)
    server.destination.script.clear()
    server.destination.deliveries.clear()
    server.destination.delay_s = 0.0
    server.destination.most_at_once = 0
    return server


def publish(queue: Queue, path: str = "/hook", **options: Any) -> str:
    """Publish by the SDK; the message's id."""
    answer = queue.client.message.publish(url=queue.target + path, **options)
    assert isinstance(answer, PublishResponse)
    return answer.message_id


def verify(delivery: Delivery, url: str, current: str = CURRENT_KEY, next_: str = NEXT_KEY) -> None:
    """The official receiver's judgement. Raises SignatureError."""
    Receiver(current, next_).verify(
        signature=delivery.headers["upstash-signature"], body=delivery.body.decode(), url=url
    )


def test_a_message_arrives_as_it_was_published(queue: Queue) -> None:
    """Method, body, type, forwarded headers and the documented ones; a signature for exactly this address and body."""
    message_id = publish(
        queue, "/hook?a=1&b=%2F", body="héllo", method="PUT", content_type="text/x", headers={"X-Own": "v"}, label="l"
    )
    queue.wait(lambda: queue.destination.deliveries)
    [delivery] = queue.destination.deliveries
    headers = delivery.headers

    assert (delivery.method, delivery.body.decode()) == ("PUT", "héllo")
    assert delivery.url == queue.target + "/hook?a=1&b=%2F"
    assert (headers["content-type"], headers["x-own"]) == ("text/x", "v")
    assert headers["user-agent"] == "Upstash-QStash" and headers["upstash-message-id"] == message_id
    assert headers["upstash-retried"] == "0" and headers["upstash-region"] == "EU-CENTRAL-1"
    assert "authorization" not in headers
    verify(delivery, queue.target + "/hook?a=1&b=%2F")
    queue.wait(lambda: queue.states(message_id) == ["CREATED", "ACTIVE", "DELIVERED"])
    with pytest.raises(QStashError, match="not found"):
        queue.client.message.get(message_id)


def test_options_may_be_query_parameters(queue: Queue) -> None:
    """They are taken out of the destination's own query, and so is the token."""
    path = f"/v2/publish/{queue.target}/hook?x=1&upstash-method=PATCH&upstash-forward-x-own=v&upstash-retries=0&y=2"
    assert queue.post(path, content=b"b").status_code == 200
    queue.wait(lambda: queue.destination.deliveries)
    [delivery] = queue.destination.deliveries

    assert (delivery.method, delivery.headers["x-own"]) == ("PATCH", "v")
    assert delivery.url == queue.target + "/hook?x=1&y=2"
    verify(delivery, queue.target + "/hook?x=1&y=2")


def test_retries_come_with_a_fresh_token_until_they_are_used_up(queue: Queue) -> None:
    """Four deliveries at most, counted from 0, under one id; each wait longer; then the dead letter queue."""
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


def test_489_stops_only_with_its_header(queue: Queue) -> None:
    """Status and header together are the one way to say no more."""
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
        # More than a day is no wish: the first back-off, 12 s.
        ({"Retry-After": "90000"}, 0.012, 0.5),
    ],
)
def test_the_destination_may_say_when(
    queue: Queue, headers: dict[str, str], at_least_s: float, at_most_s: float
) -> None:
    """Seconds or a duration, in the documented headers."""
    queue.destination.script.append((503, headers))
    message_id = publish(queue)
    queue.wait(lambda: queue.states(message_id)[-1] == "DELIVERED")
    first, second = queue.destination.deliveries

    assert at_least_s <= second.at - first.at <= at_most_s


def test_the_publisher_may_say_when(queue: Queue) -> None:
    """A retry-delay expression in milliseconds, of the number of retries made; one that fails later falls back."""
    queue.destination.script.extend([(500, {}), (500, {})])
    message_id = publish(queue, retry_delay="300000 / (1 - retried)")
    queue.wait(lambda: queue.states(message_id)[-1] == "DELIVERED")
    first, second, third = queue.destination.deliveries

    assert second.at - first.at >= 0.3 and third.at - second.at >= 0.148


def test_a_timeout_is_a_failed_attempt(queue: Queue) -> None:
    """The attempt is given up after the publisher's own limit."""
    queue.destination.delay_s = 1.5
    message_id = publish(queue, timeout=1, retries=0)
    queue.wait(lambda: queue.states(message_id)[-1] == "FAILED")

    [letter] = queue.client.dlq.list(filter={"message_id": message_id}).messages
    assert letter.response_status == 0 and "in time" in (letter.response_body or "")


def test_duplicates_within_the_window_are_answered_202(queue: Queue) -> None:
    """The first id, nothing enqueued; after ten minutes it is a new message. By id and by content."""
    first = queue.client.message.publish(url=queue.target + "/one", deduplication_id="d-1", body="a")
    again = queue.client.message.publish(url=queue.target + "/two", deduplication_id="d-1", body="b")
    assert isinstance(first, PublishResponse) and isinstance(again, PublishResponse)
    assert (again.message_id, again.deduplicated) == (first.message_id, True)
    raw = queue.post(f"/v2/publish/{queue.target}/two", {"upstash-deduplication-id": "d-1"})
    assert raw.status_code == 202

    same = {"body": "x", "content_based_deduplication": True}
    ids = [publish(queue, "/three", **same), publish(queue, "/three", **same)]
    assert ids[0] == ids[1] != publish(queue, "/three", body="y", content_based_deduplication=True)
    time.sleep(0.7)
    assert publish(queue, "/one", deduplication_id="d-1") != first.message_id
    queue.wait(lambda: len(queue.destination.deliveries) == 4)
    assert len(queue.destination.to("/two")) == 0


@pytest.mark.parametrize(
    ("headers", "destination", "status", "sentence"),
    [
        ({"upstash-deduplication-id": "a:b"}, "", 400, "DeduplicationId cannot contain ':'"),
        ({"upstash-retries": "6"}, "", 412, "quota maxRetries exceeded"),
        ({"upstash-retries": "-1"}, "", 400, "retries"),
        ({"upstash-retries": "²"}, "", 400, "retries"),
        ({"upstash-method": "BREW"}, "", 400, "method"),
        ({"upstash-delay": "soon"}, "", 400, "duration"),
        ({"upstash-not-before": "tomorrow"}, "", 400, ""),
        ({"upstash-timeout": "-5"}, "", 400, "duration"),
        ({"upstash-retry-delay": "__import__('os')"}, "", 400, "expression"),
        ({"upstash-retry-delay": "pow(9, pow(9, pow(9, 9)))"}, "", 400, "expression"),
        ({"upstash-flow-control-key": "k", "upstash-flow-control-value": "fast"}, "", 400, "flow control"),
        ({"upstash-flow-control-key": "k", "upstash-flow-control-value": "rate=x"}, "", 400, ""),
        ({"upstash-flow-control-key": "k", "upstash-flow-control-value": "rate=0"}, "", 400, "at least 1"),
        ({"upstash-flow-control-key": "k", "upstash-flow-control-value": "rate=1,period=8d"}, "", 400, "a week"),
        ({"upstash-not-before": "9" * 400}, "", 400, ""),
        ({"upstash-callback": "nowhere"}, "", 400, "invalid scheme"),
        ({"upstash-callback": "https://example.com"}, "", 400, "not on this machine"),
        ({"upstash-failure-callback": "http://127.0.0.1", "upstash-failure-callback-retries": "x"}, "", 400, "retries"),
        ({}, "ftp://127.0.0.1/x", 400, "invalid scheme"),
        ({}, "example.com", 400, "invalid scheme"),
        ({}, "http://", 400, "no host"),
        ({}, "http://[::1", 400, "cannot be parsed"),
        ({}, "http://127.0.0.1:99999/", 400, "cannot be parsed"),
        ({}, "https://example.com/x", 400, "not on this machine"),
        ({}, "my-group", 501, "official CLI"),
    ],
)
def test_bad_values_are_refused(
    queue: Queue, headers: dict[str, str], destination: str, status: int, sentence: str
) -> None:
    """With the documented error where one is known; nothing is enqueued."""
    raw = {name.encode(): value.encode() for name, value in headers.items()}
    answer = queue.post(f"/v2/publish/{destination or queue.target + '/never'}", raw)  # pyright: ignore[reportArgumentType]

    assert answer.status_code == status, answer.text
    assert sentence in answer.json()["error"] and list(answer.json()) == ["error"]
    assert queue.destination.to("/never") == []


def test_limits_of_the_door(queue: Queue) -> None:
    """No token, a wrong one, a body over 1 MB, an unknown path, and what is left to the official server."""
    assert queue.request("GET", "/v2/keys", {"authorization": "Bearer no"}).status_code == 401
    answer = queue.request("GET", "/v2/keys", {"authorization": ""})
    assert (answer.status_code, answer.json()) == (401, {"error": "unable to authenticate: invalid token"})
    assert queue.post(f"/v2/publish/{queue.target}/big", content=b"x" * (1024 * 1024 + 1)).status_code == 413
    assert queue.request("GET", "/v2/nothing").json() == {"error": "not found"}
    for path in ("/v2/batch", "/v2/enqueue/q/http://127.0.0.1/", "/v2/queues", "/v2/topics/t/endpoints", "/v2/llm/v1"):
        refused = queue.post(path)
        assert refused.status_code == 501 and "npx @upstash/qstash-cli" in refused.json()["error"]
    assert queue.post("/v2/flowControl/k/pin").status_code == 501


def test_callbacks_tell_of_every_attempt_and_failure_callbacks_of_the_end(queue: Queue) -> None:
    """The documented body, signed for the callback's own address; the failure's names the dead letter."""
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


def test_dead_letters_are_listed_filtered_deleted_and_retried(queue: Queue) -> None:
    """By the SDK; a retry is a new message under a new id, its count at 0."""
    queue.destination.script.extend([NOT_FOUND] * 3)
    ids = [publish(queue, f"/dead-{number}", retries=0, label=f"label-{number}", body="b") for number in range(3)]
    queue.wait(lambda: len(queue.client.dlq.list().messages) == 3)

    page = queue.client.dlq.list(count=2)
    assert len(page.messages) == 2 and page.cursor
    assert len(queue.client.dlq.list(cursor=page.cursor).messages) == 1
    [one] = queue.client.dlq.list(filter={"label": "label-1"}).messages
    assert one.message_id == ids[1]
    retried = queue.post(f"/v2/dlq/retry/{one.dlq_id}").json()["messageId"]
    queue.wait(lambda: len(queue.destination.to("/dead-1")) == 2)
    assert retried not in ids and queue.destination.to("/dead-1")[1].headers["upstash-retried"] == "0"
    rest = [letter.dlq_id for letter in queue.client.dlq.list().messages]
    assert len(rest) == 2 and queue.client.dlq.delete_many(rest) == 2
    assert queue.client.dlq.list().messages == []
    for method, path in (("GET", "/v2/dlq/1-0"), ("DELETE", "/v2/dlq/1-0"), ("POST", "/v2/dlq/retry/1-0")):
        assert queue.request(method, path).status_code == 404
    for garbage in (b"[]", b"{", b'{"dlqIds": 5}', b"[" * 100_000):
        assert queue.request("DELETE", "/v2/dlq", content=garbage).status_code == 400


def test_messages_on_their_way_are_read_and_cancelled(queue: Queue) -> None:
    """One, several, those of a label or a flow control key, all; a cancelled one is never delivered."""
    flow = FlowControl(key="cancel-key", parallelism=3, rate=4, period="1h30m3s")
    later = [publish(queue, f"/later-{number}", delay="7d", label="later") for number in range(4)]
    flowing = publish(queue, "/flowing", delay="1d", flow_control=flow, timeout=90, body="b", headers={"x-own": "v"})
    message = queue.client.message.get(flowing)

    assert message.flow_control is not None
    assert (message.flow_control.parallelism, message.flow_control.rate, message.flow_control.period) == (3, 4, 5403)
    assert (message.body, (message.headers or {})["X-Own"]) == ("b", ["v"])
    queue.client.message.cancel(later[0])
    assert queue.client.message.cancel_many(later[1:3]) == 2
    assert queue.request("DELETE", "/v2/messages?flowControlKey=cancel-key").json() == {"cancelled": 1}
    assert queue.request("DELETE", "/v2/messages?label=other&label=later").json() == {"cancelled": 1}
    publish(queue, "/last", delay=60)
    assert queue.client.message.cancel_all() == 1
    assert queue.states(later[0]) == ["CREATED", "CANCELED"]
    assert queue.destination.deliveries == []


def test_redacted_fields_are_shown_nowhere(queue: Queue) -> None:
    """They arrive, but lists show a hash in their place."""
    queue.destination.script.append((404, {}))
    message_id = publish(
        queue,
        body="secret",
        retries=0,
        headers={"X-Key": "hidden", "X-Open": "o"},
        redact={"body": True, "header": ["X-Key"]},
    )
    queue.wait(lambda: queue.client.dlq.list(filter={"message_id": message_id}).messages)
    [letter] = queue.client.dlq.list(filter={"message_id": message_id}).messages

    assert queue.destination.deliveries[0].body == b"secret"
    assert letter.body == f"REDACTED:{hashlib.sha256(b'secret').hexdigest()}"
    assert letter.headers is not None and letter.headers["X-Open"] == ["o"]
    assert letter.headers["X-Key"][0].startswith("REDACTED:")


def test_keys_rotate_and_both_keys_verify(server: Queue) -> None:
    """After a rotation the former next key signs; a receiver that knows the old pair still accepts."""
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


def test_flow_control_limits_a_key(queue: Queue) -> None:
    """A thousand messages at once, five in flight at most, every one delivered once, in little memory."""
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


def test_flow_control_limits_a_period(queue: Queue) -> None:
    """Two may start in a period of 300 s; the others wait, and finished ones are told of meanwhile."""
    flow = FlowControl(key="rated", rate=2, period=300)
    ids = [publish(queue, "/rated", flow_control=flow) for _ in range(6)]
    queue.wait(lambda: len(queue.destination.deliveries) == 6)
    starts = [delivery.at for delivery in queue.destination.deliveries]

    assert starts[2] - starts[0] >= 0.29 and starts[4] - starts[2] >= 0.29
    assert queue.request("GET", "/v2/flowControl?search=rated").json()[0]["rateMax"] == 2
    queue.wait(lambda: all(queue.states(one)[-1] == "DELIVERED" for one in ids))


def test_a_destination_that_dies_and_comes_back_gets_every_message() -> None:
    """Refused connections are failed attempts like any other."""
    mortal = Mortal()
    with local_queue() as queue:
        mortal.start()
        ids = [publish_to(queue, mortal.url, number) for number in range(5)]
        queue.wait(lambda: len(mortal.destination.deliveries) == 5)
        mortal.stop()
        ids += [publish_to(queue, mortal.url, number) for number in range(5, 15)]
        queue.wait(lambda: all("RETRY" in queue.states(one) for one in ids[5:]))
        mortal.start()
        try:
            queue.wait(lambda: all(queue.states(one)[-1] == "DELIVERED" for one in ids))
        finally:
            mortal.stop()

    assert sorted(int(each.body) for each in mortal.destination.deliveries) == list(range(15))


def publish_to(queue: Queue, url: str, number: int) -> str:
    """Publish a numbered message."""
    answer = queue.client.message.publish(url=url, body=str(number), retries=5)
    assert isinstance(answer, PublishResponse)
    return answer.message_id


def test_schedules_live_by_the_sdk(queue: Queue) -> None:
    """Created, overwritten by id, read, listed, paused, resumed, deleted; a minute's cron fires."""
    client = queue.client.schedule
    schedule_id = client.create(
        destination=queue.target + "/tick", cron="* * * * *", body="t", schedule_id="mine", retries=2, delay=60
    )
    found = client.get(schedule_id)
    assert (schedule_id, found.cron, found.destination) == ("mine", "* * * * *", queue.target + "/tick")
    assert (found.body, found.retries, found.delay, found.paused) == ("t", 2, 60, False)
    queue.wait(lambda: queue.destination.to("/tick"))
    assert queue.destination.to("/tick")[0].headers["upstash-schedule-id"] == "mine"

    client.pause("mine")
    assert client.get("mine").paused
    client.resume("mine")
    assert not client.get("mine").paused
    client.create(destination=queue.target + "/other", cron="CRON_TZ=Europe/Istanbul 0 4 * * *", schedule_id="mine")
    [only] = client.list()
    assert (only.destination, only.body) == (queue.target + "/other", None)
    client.delete("mine")
    assert client.list() == []
    for bad in ("every day", "99 * * * *", "CRON_TZ=Nowhere/Town * * * * *", "0 0 31 2 *"):
        with pytest.raises(QStashError, match="cron"):
            client.create(destination=queue.target, cron=bad)
    assert queue.request("GET", "/v2/schedules/none").status_code == 404


def test_a_host_map_answers_for_a_public_address() -> None:
    """The delivery goes to this machine, signed for and addressed to the public name, https included."""
    with local_queue() as first:
        target = first.target.removeprefix("http://")
        with local_queue(hosts={"api.example.com": target}) as queue:
            queue.client.message.publish(url="https://api.example.com/hook?x=1", body="b")
            queue.wait(lambda: first.destination.deliveries)
            [delivery] = first.destination.deliveries

    assert delivery.headers["host"] == "api.example.com"
    verify(delivery, "https://api.example.com/hook?x=1")


def test_logs_have_pages_and_filters(queue: Queue) -> None:
    """Newest first; a cursor never gives a row twice, and its time goes down."""
    message_id = publish(queue, label="log-label")
    queue.wait(lambda: queue.states(message_id)[-1:] == ["DELIVERED"])
    seen: list[tuple[int, str]] = []
    cursors: list[int] = []
    cursor = None
    for _ in range(3):
        page = queue.client.log.list(cursor=cursor, count=1, filter={"message_id": message_id})
        seen += [(log.time, log.state.value) for log in page.logs]
        cursor = page.cursor
        cursors += [int(cursor.split("-")[0])] if cursor else []

    assert [state for _, state in seen] == ["DELIVERED", "ACTIVE", "CREATED"]
    assert cursors == sorted(cursors, reverse=True) and len(set(cursors)) == len(cursors)
    for query in ("label=log-label", f"url={queue.target}/hook", "state=DELIVERED", "fromDate=1", "count=zero"):
        rows = queue.request("GET", f"/v2/logs?messageId={message_id}&{query}").json()["logs"]
        assert rows, query
    assert queue.request("GET", f"/v2/events?messageId={message_id}&toDate=1").json() == {"events": []}
