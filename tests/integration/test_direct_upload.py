"""Direct uploads: a signed URL for exactly one recording, a check of the stored file, then normal processing."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from app.sessions.repair import NEVER_UPLOADED
from tests.support.world import AUDIO, World

CHROME = {
    "origin": "http://localhost:3000",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
    "accept": "*/*",
    "accept-encoding": "gzip, deflate, br, zstd",
    "sec-fetch-mode": "cors",
    "sec-fetch-site": "cross-site",
    "referer": "http://localhost:3000/",
}


def begin(world: World, user: str = "ada", **changes: Any) -> httpx.Response:
    """Begin a direct upload."""
    body = {"contentType": "audio/webm;codecs=opus", "duration": 12.5, "size": len(AUDIO), **changes}
    with world.client(user) as client:
        return client.post("/api/sessions", json={name: value for name, value in body.items() if value is not ...})


def put(upload: dict[str, Any], content: bytes = AUDIO, **headers: str) -> int:
    """Upload a recording to the signed URL as Chrome does, and return the status."""
    given = {**CHROME, **upload["headers"], **headers}
    return httpx.request(upload["method"], upload["url"], content=content, headers=given, trust_env=False).status_code


def complete(world: World, session_id: str, user: str = "ada") -> httpx.Response:
    """Complete a direct upload."""
    with world.client(user) as client:
        return client.post(f"/api/sessions/{session_id}/complete")


def test_a_direct_upload_is_processed_like_any_other(world: World) -> None:
    """It is CREATED with a signed URL, stored by the browser, completed with a form upload's answer, and DONE."""
    begun = begin(world, topic="school", language="en")
    session = begun.json()
    assert begun.status_code == 201
    assert list(session) == ["id", "status", "createdAt", "estimatedWaitSecs", "upload"]
    assert session["status"] == "CREATED" and list(session["upload"]) == ["url", "method", "headers", "expiresAt"]
    assert world.providers.published == []
    assert put(session["upload"]) == 200
    completed = complete(world, session["id"])
    assert completed.status_code == 200
    assert completed.json() == {
        "id": session["id"],
        "status": "UPLOADED",
        "createdAt": session["createdAt"],
        "estimatedWaitSecs": 30,
    }
    row = world.database.session(session["id"])
    assert row["audioUrl"] == f"sessions/{row['userId']}/{session['id']}/audio.webm"
    assert (row["durationSecs"], row["topic"]) == (12, "school")
    assert len(world.providers.published) == 1
    assert world.deliver(session["id"]).status_code == 200

    assert world.providers.transcriptions[-1]["content"] == AUDIO
    assert world.storage.stored_keys() == []


def test_completing_twice_publishes_once(world: World) -> None:
    """Eight concurrent requests get the same answer and publish one message; later it returns the current status."""
    session = begin(world).json()
    put(session["upload"])
    with ThreadPoolExecutor(8) as pool:
        answers = [each.result() for each in [pool.submit(complete, world, session["id"]) for _ in range(8)]]
    world.deliver(session["id"])

    assert complete(world, session["id"]).json()["status"] == "DONE"
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert len(world.providers.published) == 1


def test_completing_without_a_recording_is_409(world: World) -> None:
    """If the recording is not in storage, nothing changes, and it can still be uploaded."""
    session = begin(world).json()
    early = complete(world, session["id"])
    assert (early.status_code, early.json()["code"]) == (409, "UPLOAD_INCOMPLETE")
    assert world.database.session(session["id"])["status"] == "CREATED"
    put(session["upload"])

    assert complete(world, session["id"]).status_code == 200


def test_the_signed_url_accepts_nothing_else(world: World) -> None:
    """Storage refuses another size, type or key, and no object is left."""
    upload = begin(world).json()["upload"]

    assert put(upload, AUDIO + b"x") == 403
    assert put(upload, AUDIO[:-1]) == 403
    assert put(upload, AUDIO, **{"content-type": "text/html"}) == 403
    assert put({**upload, "url": upload["url"].replace("/audio.webm", "/other.webm")}) == 403
    assert world.storage.stored_keys() == []


def test_only_the_owner_completes(world: World) -> None:
    """Another learner's session is unknown, and so is one that does not exist."""
    session = begin(world).json()
    put(session["upload"])
    begin(world, "eve")

    assert complete(world, session["id"], "eve").status_code == 404
    assert complete(world, "cunknown").json() == {"error": "Session not found", "code": "SESSION_NOT_FOUND"}
    assert httpx.post(f"{world.url}/api/sessions/x/complete", trust_env=False, verify=False).status_code == 401
    assert complete(world, session["id"]).status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"duration": ...}, 400, "INVALID_DURATION"),
        ({"duration": -1}, 400, "INVALID_DURATION"),
        ({"duration": "NaN"}, 400, "INVALID_DURATION"),
        ({"duration": True}, 400, "INVALID_DURATION"),
        ({"duration": [1]}, 400, "INVALID_DURATION"),
        ({"duration": 10**400}, 400, "INVALID_DURATION"),
        ({"size": ...}, 400, "INVALID_FILE"),
        ({"size": 0}, 400, "INVALID_FILE"),
        ({"size": 1.5}, 400, "INVALID_FILE"),
        ({"size": "9"}, 400, "INVALID_FILE"),
        ({"size": True}, 400, "INVALID_FILE"),
        ({"size": 52_428_801}, 413, "INVALID_FILE"),
        ({"contentType": ...}, 400, "INVALID_FILE"),
        ({"contentType": "video/mp4"}, 400, "INVALID_FILE"),
        ({"contentType": "audio/\r\nx: y"}, 400, "INVALID_FILE"),
        ({"contentType": ["audio/webm"]}, 400, "INVALID_FILE"),
        ({"topic": 5}, 400, "INVALID_BODY"),
        ({"topic": "t" * 10_001}, 400, "INVALID_BODY"),
        ({"language": {}}, 400, "INVALID_BODY"),
    ],
)
def test_invalid_direct_upload_is_refused(world: World, changes: dict[str, Any], status: int, code: str) -> None:
    """With the same codes as a form upload; nothing is created."""
    answer = begin(world, **changes)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert list(answer.json()) == ["error", "code"]
    assert world.database.rows("SELECT id FROM speaking_sessions") == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"[" * 60_000, b"\xff", b"{}" + b" " * 70_000])
def test_a_body_of_another_shape_is_refused(world: World, body: bytes) -> None:
    """Bodies that are not an object, not JSON, or too long."""
    with world.client() as client:
        answer = client.post("/api/sessions", content=body, headers={"content-type": "application/json"})

    assert answer.status_code in (400, 413)
    assert answer.json()["code"] in ("INVALID_BODY", "INVALID_DURATION", "BAD_REQUEST")


def test_a_stored_file_of_the_wrong_type_is_refused(world: World) -> None:
    """If storage accepted a type that the URL forbids, the file is refused and deleted, and the session fails."""
    session = begin(world).json()
    key = world.database.session(session["id"])["audioUrl"]
    world.storage.client().put_object(Bucket=world.storage.bucket, Key=key, Body=b"<html>", ContentType="text/html")
    answer = complete(world, session["id"])

    assert (answer.status_code, answer.json()["code"]) == (413, "INVALID_FILE")
    assert world.database.session(session["id"])["status"] == "FAILED"
    assert world.storage.stored_keys() == []


def test_the_sweep_ends_an_upload_that_never_arrived(world: World) -> None:
    """After an hour it is FAILED with a message, its object is deleted, and completing it is 409."""
    session = begin(world).json()
    put(session["upload"])
    world.database.execute("UPDATE speaking_sessions SET \"createdAt\" = now() - interval '2 hours'")
    world.signed("/api/internal/sweep", b"{}")
    answer = complete(world, session["id"])

    assert (answer.status_code, answer.json()["code"]) == (409, "UPLOAD_INCOMPLETE")
    assert world.database.session(session["id"])["errorMessage"] == NEVER_UPLOADED
    assert world.storage.stored_keys() == []


def test_a_session_deleted_before_its_upload_leaves_nothing(world: World) -> None:
    """If the learner deletes the session after uploading, the session is unknown and the object is deleted."""
    session = begin(world).json()
    put(session["upload"])
    with world.client() as client:
        assert client.delete(f"/api/sessions/{session['id']}").status_code == 200

    assert complete(world, session["id"]).status_code == 404
    assert world.storage.stored_keys() == []


def test_open_uploads_of_a_learner_are_bounded(world: World) -> None:
    """One open upload too many is 429 with Retry-After and leaves no row; when older ones expire, it works again."""
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(begin, [world] * world.settings.open_uploads_per_learner))
    refused = begin(world)

    assert {answer.status_code for answer in answers} == {201}
    assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_UPLOADS")
    assert int(refused.headers["retry-after"]) > 0
    assert len(world.database.rows("SELECT id FROM speaking_sessions")) == len(answers)
    world.database.execute('UPDATE speaking_sessions SET "createdAt" = "createdAt" - interval \'16 minutes\'')
    assert begin(world).status_code == 201
