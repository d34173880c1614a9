"""Filters of messages, dead letters and events: each one selects, and an unknown one is an error."""

import pytest
from qstash.message import FlowControl
from qstash_harness import QStashHarness, publish

NOT_FOUND: tuple[int, dict[str, str]] = (404, {})


@pytest.mark.parametrize("path", ["/v2/messages", "/v2/dlq", "/v2/events", "/v2/logs", "/v2/dlq/retry"])
@pytest.mark.parametrize(
    "query",
    [
        "labeel=typo",
        "Label=l",
        "unknown",
        "count=zero",
        "count=0",
        "count=-1",
        "fromDate=yesterday",
        "toDate=",
        "cursor=x",
    ],
)
def test_an_unknown_filter_is_an_error_and_selects_nothing(queue: QStashHarness, path: str, query: str) -> None:
    """Nothing is cancelled, deleted or retried."""
    queue.destination.script.append(NOT_FOUND)
    publish(queue, "/dead", retries=0)
    queue.wait(lambda: queue.client.dlq.list().messages)
    waiting = publish(queue, "/later", delay=600)
    method = {"/v2/messages": "DELETE", "/v2/dlq": "DELETE", "/v2/dlq/retry": "POST"}.get(path, "GET")
    answer = queue.request(method, f"{path}?{query}")

    assert answer.status_code == 400 and list(answer.json()) == ["error"]
    assert queue.states(waiting) == ["CREATED"] and len(queue.client.dlq.list().messages) == 1


@pytest.mark.parametrize(
    "query",
    [
        "path=/a/one",
        "path=/a/one&path=/a/none",
        "path=/a/one,/a/none",
        "host={host}&path=/a/one",
        "url={target}/a/one?x=1,2",
        "url={target}/none,{target}/a/one?x=1,2",
        "label=one",
        "label=none,one",
        "label=also",
        "flowControlKey=key",
        "scheduleId=s&label=one",
        "fromDate=1&label=one",
        "toDate=9999999999999&label=one",
        "callerIp=127.0.0.1&label=one",
        "callerIP=127.0.0.1&label=one",
        "messageIds={id}",
    ],
)
def test_each_filter_cancels_what_it_names(queue: QStashHarness, query: str) -> None:
    """A message matches if it matches every filter, by any of the filter's values."""
    flow = FlowControl(key="key", parallelism=1)
    one = publish(queue, "/a/one?x=1,2", delay=600, label="one,also", flow_control=flow)
    other = publish(queue, "/b/other?x=1", delay=600, label="other")
    wanted = query.format(host=queue.target.removeprefix("http://"), target=queue.target, id=one)
    expected = 0 if "scheduleId" in query else 1

    assert queue.request("DELETE", f"/v2/messages?{wanted}").json() == {"cancelled": expected}
    assert queue.states(other) == ["CREATED"]


@pytest.mark.parametrize(
    "query", ["host=elsewhere.example", "path=/", "label=", "messageIds=", "fromDate=9999999999999"]
)
def test_a_filter_that_matches_nothing_cancels_nothing(queue: QStashHarness, query: str) -> None:
    """Neither does an empty filter."""
    publish(queue, "/a", delay=600)

    assert queue.request("DELETE", f"/v2/messages?{query}").json() == {"cancelled": 0}


def test_dead_letters_and_events_by_host_path_and_status(queue: QStashHarness) -> None:
    """The documented filters, and the status of the last answer."""
    queue.destination.script.extend([NOT_FOUND, (410, {})])
    ids = [publish(queue, path, retries=0) for path in ("/dead/one", "/dead/two")]
    queue.wait(lambda: len(queue.client.dlq.list().messages) == 2)
    host = queue.target.removeprefix("http://")
    found = {
        query: [row["messageId"] for row in queue.request("GET", f"/v2/dlq?{query}").json()["messages"]]
        for query in ("path=/dead/one", "responseStatus=410", "responseStatus=404,410", f"host={host}", "queueName=q")
    }

    one, two = ids
    assert found["path=/dead/one"] != found["responseStatus=410"] and found["queueName=q"] == []
    assert sorted(found["responseStatus=404,410"]) == sorted(found[f"host={host}"]) == sorted([one, two])
    events = queue.request("GET", f"/v2/events?path=/dead/one&host={host}&state=FAILED").json()["events"]
    assert [row["messageId"] for row in events] == [one]
    assert queue.request("GET", "/v2/logs?state=CANCELLED&path=/dead/one").json() == {"logs": []}


def test_count_limits_what_is_cancelled(queue: QStashHarness) -> None:
    """With and without another filter."""
    for number in range(4):
        publish(queue, "/a", delay=600, label=f"label-{number % 2}")

    assert queue.request("DELETE", "/v2/messages?label=label-0&count=1").json() == {"cancelled": 1}
    assert queue.request("DELETE", "/v2/messages?count=2").json() == {"cancelled": 2}
    assert queue.client.message.cancel_all() == 1
