"""Publishing: accepted and refused options, and unchanged delivery, tested with the official Python SDK."""

import hashlib
import time

import pytest
from qstash.errors import QStashError
from qstash.message import PublishResponse
from qstash_harness import QStashHarness, local_queue, publish, verify


def test_a_message_arrives_as_it_was_published(queue: QStashHarness) -> None:
    """With its method, body, content type and headers, and a signature for this address and body."""
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
    # "Messages are removed from the database shortly after they're delivered", so not immediately.
    assert queue.client.message.get(message_id).body == "héllo"
    assert queue.request("DELETE", f"/v2/messages/{message_id}").json() == {"cancelled": 0}
    with pytest.raises(QStashError, match="not found"):
        queue.client.message.get("msg_unknown")


def test_options_may_be_query_parameters(queue: QStashHarness) -> None:
    """They are removed from the destination's query, and so is the token."""
    path = f"/v2/publish/{queue.target}/hook?x=1&upstash-method=PATCH&upstash-forward-x-own=v&upstash-retries=0&y=2"
    assert queue.post(path, content=b"b").status_code == 200
    queue.wait(lambda: queue.destination.deliveries)
    [delivery] = queue.destination.deliveries

    assert (delivery.method, delivery.headers["x-own"]) == ("PATCH", "v")
    assert delivery.url == queue.target + "/hook?x=1&y=2"
    verify(delivery, queue.target + "/hook?x=1&y=2")


def test_duplicates_within_the_window_are_answered_202(queue: QStashHarness) -> None:
    """They return the first id and enqueue nothing; after ten minutes, it is a new message. By id and by content."""
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
        ({}, "my-group", 400, "no URL group"),
        ({}, "api/llm", 501, "/v2/publish/api/llm"),
        ({}, "api/email", 501, "/v2/publish/api/email"),
        ({"upstash-callback": "http://127.0.0.1", "upstash-callback-delay": "5s"}, "", 400, "cannot be delayed"),
    ],
)
def test_bad_values_are_refused(
    queue: QStashHarness, headers: dict[str, str], destination: str, status: int, sentence: str
) -> None:
    """With the documented error if there is one; nothing is enqueued."""
    raw = {name.encode(): value.encode() for name, value in headers.items()}
    answer = queue.post(f"/v2/publish/{destination or queue.target + '/never'}", raw)  # pyright: ignore[reportArgumentType]

    assert answer.status_code == status, answer.text
    assert sentence in answer.json()["error"] and list(answer.json()) == ["error"]
    assert queue.destination.to("/never") == []


def test_authentication_and_size_limits(queue: QStashHarness) -> None:
    """A missing or wrong token, a body over 1 MB, an unknown path, and unsupported endpoints are refused."""
    assert queue.request("GET", "/v2/keys", {"authorization": "Bearer no"}).status_code == 401
    answer = queue.request("GET", "/v2/keys", {"authorization": ""})
    assert (answer.status_code, answer.json()) == (401, {"error": "unable to authenticate: invalid token"})
    assert queue.post(f"/v2/publish/{queue.target}/big", content=b"x" * (1024 * 1024 + 1)).status_code == 413
    assert queue.request("GET", "/v2/nothing").json() == {"error": "not found"}
    refused = queue.post("/v2/llm/v1/chat/completions")
    assert refused.status_code == 501 and "/v2/llm/v1" in refused.json()["error"]
    assert queue.request("GET", f"/v2/publish/{queue.target}/never").status_code == 405


def test_redacted_fields_are_shown_nowhere(queue: QStashHarness) -> None:
    """They are delivered, but lists show a hash instead."""
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


def test_a_host_map_redirects_a_public_address_to_this_machine() -> None:
    """The delivery goes to this machine, but is signed for and addressed to the public name, even with https."""
    with local_queue() as first:
        target = first.target.removeprefix("http://")
        with local_queue(hosts={"api.example.com": target}) as queue:
            public = "https://api.example.com/hook?x=1"
            queue.client.message.publish(url=public, body="b")
            queue.wait(lambda: first.destination.deliveries)
            [delivery] = first.destination.deliveries

    assert delivery.headers["host"] == "api.example.com"
    verify(delivery, "https://api.example.com/hook?x=1")
