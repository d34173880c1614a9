"""Pending messages, dead letters, logs and schedules, tested with the official Python SDK."""

import pytest
from qstash.errors import QStashError
from qstash.message import FlowControl
from qstash_harness import QStashHarness, publish

NOT_FOUND: tuple[int, dict[str, str]] = (404, {})


def test_pending_messages_are_read_and_cancelled(queue: QStashHarness) -> None:
    """By id, by several ids, by label, by flow control key, or all; a cancelled message is never delivered."""
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


def test_dead_letters_are_listed_filtered_deleted_and_retried(queue: QStashHarness) -> None:
    """A retry is a new message with a new id and a retry count of 0."""
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


def test_logs_have_pages_and_filters(queue: QStashHarness) -> None:
    """Newest first; with cursors no row is returned twice, and their times decrease."""
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
    for query in ("label=log-label", f"url={queue.target}/hook", "state=DELIVERED", "fromDate=1", "count=1"):
        rows = queue.request("GET", f"/v2/logs?messageId={message_id}&{query}").json()["logs"]
        assert rows, query
    assert queue.request("GET", f"/v2/events?messageId={message_id}&toDate=1").json() == {"events": []}


def test_schedule_lifecycle_through_the_sdk(queue: QStashHarness) -> None:
    """A schedule is created, read, listed, overwritten by id, paused, resumed and deleted; it fires every minute."""
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
