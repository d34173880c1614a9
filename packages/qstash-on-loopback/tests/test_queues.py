"""Queues, URL groups and batches, tested with the official Python SDK."""

from typing import Any

from qstash.message import BatchJsonRequest, BatchResponse, EnqueueResponse, PublishResponse
from qstash_harness import QStashHarness, publish


def enqueue(queue: QStashHarness, name: str, path: str, **options: Any) -> str:
    """Enqueue through the SDK, and return the message's id."""
    answer = queue.client.message.enqueue(queue=name, url=queue.target + path, **options)
    assert isinstance(answer, EnqueueResponse)
    return answer.message_id


def bodies(queue: QStashHarness, path: str) -> list[str]:
    """The bodies delivered to a path, in order."""
    return [delivery.body.decode() for delivery in queue.destination.to(path)]


def test_a_queue_delivers_one_after_the_other_retries_included(queue: QStashHarness) -> None:
    """First in, first out: the next message waits until the previous one and its callbacks are done."""
    queue.destination.script.extend([(500, {}), (500, {}), (500, {})])
    enqueue(queue, "fifo", "/fifo", body="0", retries=1, failure_callback=f"{queue.target}/failed")
    for number in range(1, 10):
        enqueue(queue, "fifo", "/fifo", body=str(number), retries=3)
    queue.wait(lambda: len(bodies(queue, "/fifo")) == 12)

    assert bodies(queue, "/fifo") == ["0", "0", "1", "1", *map(str, range(2, 10))]
    assert queue.destination.most_at_once == 1
    order = [delivery.url.rpartition("/")[2] for delivery in queue.destination.deliveries]
    assert order.index("failed") == 2
    queue.wait(lambda: queue.client.queue.get("fifo").lag == 0)
    queue.client.queue.delete("fifo")


def test_queues_are_created_changed_paused_and_deleted(queue: QStashHarness) -> None:
    """A paused queue accepts messages but delivers none; deleting it cancels them. Parallelism limits concurrency."""
    client = queue.client.queue
    client.upsert("several", parallelism=3, paused=True)
    queue.destination.delay_s = 0.1
    for number in range(9):
        enqueue(queue, "several", "/several", body=str(number))
    found = client.get("several")
    assert (found.parallelism, found.paused, found.lag) == (3, True, 9)
    assert [one.name for one in client.list()] == ["several"]
    client.resume("several")
    queue.wait(lambda: len(bodies(queue, "/several")) == 9)
    assert queue.destination.most_at_once == 3
    client.pause("several")
    waiting = enqueue(queue, "several", "/several", body="never")
    assert queue.client.message.get(waiting).queue == "several"
    client.delete("several")
    assert queue.states(waiting)[-1] == "CANCELED" and client.list() == []
    for body in (b"[]", b"{}", b'{"queueName": "a b"}', b'{"queueName": "q", "parallelism": 0}', b"{"):
        assert queue.post("/v2/queues", content=body).status_code == 400
    assert queue.request("GET", "/v2/queues/none").status_code == 404


def test_cancelling_in_a_queue_leaves_the_others_in_order(queue: QStashHarness) -> None:
    """The queue continues after a waiting and a running message are cancelled."""
    queue.destination.delay_s = 0.3
    ids = [enqueue(queue, "cancelled", "/c", body=str(number)) for number in range(4)]
    queue.wait(lambda: queue.destination.to("/c"))
    queue.client.message.cancel(ids[1])
    queue.client.message.cancel(ids[0])
    queue.wait(lambda: queue.client.queue.get("cancelled").lag == 0)

    assert bodies(queue, "/c") == ["0", "2", "3"]
    queue.client.queue.delete("cancelled")


def test_a_url_group_gets_one_message_for_each_endpoint(queue: QStashHarness) -> None:
    """Endpoints are added, renamed and removed; each message names its group; an empty group is removed."""
    client = queue.client.url_group
    endpoints = [{"url": f"{queue.target}/a", "name": "first"}, {"url": f"{queue.target}/b"}]
    client.upsert_endpoints("group", endpoints=endpoints)  # pyright: ignore[reportArgumentType]
    found = client.get("group")
    assert [(one.url, one.name) for one in found.endpoints] == [(e["url"], e.get("name")) for e in endpoints]
    answers = queue.client.message.publish(url_group="group", body="g", deduplication_id="once")
    again = queue.client.message.publish(url_group="group", body="g", deduplication_id="once")
    assert isinstance(answers, list) and isinstance(again, list)
    assert [one.url for one in answers] == [e["url"] for e in endpoints]
    assert [(one.message_id, one.deduplicated) for one in again] == [(one.message_id, True) for one in answers]
    queue.wait(lambda: len(queue.destination.deliveries) == 2)
    assert {d.headers["upstash-topic-name"] for d in queue.destination.deliveries} == {"group"}
    message = queue.client.message.get(answers[0].message_id)
    assert (message.url_group, message.endpoint) == ("group", "first")

    patched = queue.request("PATCH", "/v2/topics/group", json={"headers": {"Upstash-Retries": ["1"]}})
    assert patched.status_code == 200
    later = queue.client.message.publish(url_group="group", delay=60)
    assert isinstance(later, list) and queue.client.message.get(later[0].message_id).max_retries == 1
    assert queue.request("DELETE", "/v2/messages?topicName=group").json() == {"cancelled": 2}
    client.remove_endpoints("group", endpoints=[{"name": "first"}])  # pyright: ignore[reportArgumentType]
    assert [one.url for one in client.get("group").endpoints] == [f"{queue.target}/b"]
    client.remove_endpoints("group", endpoints=[{"url": f"{queue.target}/b"}])  # pyright: ignore[reportArgumentType]
    assert client.list() == [] and queue.request("GET", "/v2/topics/group").status_code == 404
    for body in (b"[]", b'{"endpoints": []}', b'{"endpoints": [{}]}', b'{"endpoints": [{"url": "ftp://x"}]}'):
        assert queue.post("/v2/topics/bad/endpoints", content=body).status_code == 400


def test_a_schedule_publishes_to_a_group_and_through_a_queue(queue: QStashHarness) -> None:
    """It uses the endpoints that the group has when it fires."""
    queue.client.url_group.upsert_endpoints("ticks", endpoints=[{"url": f"{queue.target}/first"}])
    queue.client.schedule.create(destination="ticks", cron="* * * * *", schedule_id="group-tick", queue="tick-queue")
    queue.wait(lambda: queue.destination.to("/first"))
    queue.client.url_group.upsert_endpoints("ticks", endpoints=[{"url": f"{queue.target}/second"}])
    queue.wait(lambda: queue.destination.to("/second"))

    assert queue.client.schedule.get("group-tick").queue == "tick-queue"
    assert queue.client.queue.get("tick-queue").parallelism == 1
    queue.client.schedule.delete("group-tick")
    queue.client.url_group.delete("ticks")
    queue.client.queue.delete("tick-queue")


def test_a_batch_publishes_valid_messages_and_reports_the_others(queue: QStashHarness) -> None:
    """To URLs, groups and queues; a refused message has an error in its place."""
    queue.client.url_group.upsert_endpoints("batched", endpoints=[{"url": f"{queue.target}/grouped"}])
    answers = queue.client.message.batch_json(
        [
            BatchJsonRequest(url=f"{queue.target}/one", body={"n": 1}, headers={"X-Own": "v"}),
            BatchJsonRequest(url_group="batched", body={"n": 2}),
            BatchJsonRequest(url=f"{queue.target}/two", body={"n": 3}, queue="batch-queue"),
        ]
    )
    queue.wait(lambda: all(queue.destination.to(path) for path in ("/one", "/grouped", "/two")))
    assert isinstance(answers[0], BatchResponse) and isinstance(answers[1], list)
    [one] = queue.destination.to("/one")
    assert (one.json, one.headers["x-own"], one.headers["content-type"]) == ({"n": 1}, "v", "application/json")

    url = f"{queue.target}/three"
    items = [{"destination": "nowhere"}, 5, {"destination": url, "body": "b"}, {"destination": "api/llm"}]
    mixed = queue.request("POST", "/v2/batch", json=items).json()
    assert ["error" in item for item in mixed] == [True, True, False, True]
    queue.wait(lambda: queue.destination.to("/three"))
    for body in (b"{}", b"5", b"[", b'[{"destination": "\\ud800"}]'):
        assert queue.post("/v2/batch", content=body).status_code == 400
    queue.client.url_group.delete("batched")
    queue.client.queue.delete("batch-queue")


def test_dead_letters_are_retried_with_other_options(queue: QStashHarness) -> None:
    """By id, by several ids, or by filter; headers of the request override options, and forwarded headers are added."""
    queue.destination.script.extend((404, {}) for _ in range(3))
    ids = [publish(queue, f"/dead-{n}", retries=0, headers={"X-A": "a"}, label="l") for n in range(3)]
    queue.wait(lambda: len(queue.client.dlq.list().messages) == 3)
    letters = {letter.message_id: letter.dlq_id for letter in queue.client.dlq.list().messages}
    override = {"Upstash-Retries": "2", "Upstash-Method": "PUT", "Upstash-Forward-X-B": "b", "Upstash-Delay": "60s"}
    first = queue.post(f"/v2/dlq/retry/{letters[ids[0]]}", override).json()["messageId"]
    message = queue.client.message.get(first)
    assert (message.max_retries, message.method, message.label) == (2, "PUT", "l")
    assert (message.headers or {}) | {"X-A": ["a"], "X-B": ["b"]} == message.headers
    queue.client.message.cancel(first)

    refused = queue.post(f"/v2/dlq/retry?dlqIds={letters[ids[1]]}&dlqIds=gone")
    assert refused.status_code == 404 and len(queue.client.dlq.list().messages) == 2
    assert queue.post("/v2/dlq/retry?label=l", {"Upstash-Retries": "99"}).status_code == 412
    answer = queue.post("/v2/dlq/retry?label=l&count=1", {"Upstash-Retries": "0"}).json()
    assert len(answer["responses"]) == 1 and answer["cursor"]
    assert len(queue.post("/v2/dlq/retry?label=l").json()["responses"]) == 1


def test_enqueueing_a_duplicate_creates_one_message(queue: QStashHarness) -> None:
    """Deduplication also applies to queues."""
    assert enqueue(queue, "dedup", "/d", deduplication_id="x") == enqueue(queue, "dedup", "/d", deduplication_id="x")
    queue.client.queue.delete("dedup")
    answer = queue.client.message.publish(url=f"{queue.target}/e", deduplication_id="y")
    assert isinstance(answer, PublishResponse) and not answer.deduplicated
