"""Compatibility with later versions of the frontend: their tables, statuses and endpoints (docs/compatibility.md)."""

from collections.abc import Generator
from typing import Any

import pytest
from qstash_on_loopback.signing import Keys

from app.application import create_app
from local.migrate import ROOT, migrate
from local.ports import LOOPBACK, free_port
from local.postgres import Postgres
from local.storage import Storage
from tests.conftest import make_settings
from tests.support.providers import Providers
from tests.support.serving import served
from tests.support.world import MigratedDatabase, World

LATER_STATUSES = ("SCORING", "CHUNKS_PROCESSING", "AWAITING_FINAL", "PROCESSING_FINAL", "CANCELLED")
LATER_ENDPOINTS = [
    ("GET", "/api/dashboard"),
    ("GET", "/api/drills"),
    ("POST", "/api/fluency-sessions"),
    ("GET", "/api/settings"),
    ("GET", "/api/users/me"),
    ("POST", "/api/pronunciation-tips"),
    ("GET", "/api/cron/sweep-stuck-sessions"),
    ("POST", "/api/sessions/{id}/presign"),
    ("POST", "/api/sessions/{id}/chunks/enqueue"),
    ("GET", "/api/sessions/{id}/chunk-results"),
    ("GET", "/api/sessions/{id}/pitch"),
    ("POST", "/api/internal/process-chunk"),
    ("POST", "/api/internal/process-final"),
    ("POST", "/api/internal/cancel-session"),
]
LATER_BODIES: list[Any] = [
    {
        "chunked": True,
        "topic": None,
        "language": "en",
        "focusMetricKey": None,
        "isOnboarding": False,
        "promptUsed": None,
    },
    {"chunked": True, "contentType": "audio/wav", "size": 1000, "duration": 10},
    {"contentType": "audio/webm", "size": 1000, "duration": 10, "promptUsed": "Tell a story"},
    {},
    [],
]


@pytest.fixture(scope="module")
def later(
    postgres: Postgres, storage: Storage, shared_providers: tuple[Providers, str]
) -> Generator[World, None, None]:
    """The application on a database with everything that later versions add."""
    migrate(postgres.create_database("later"))
    database = MigratedDatabase(postgres, "later")
    database.execute((ROOT / "tests/fixtures/later_schema.sql").read_text())
    providers, url = shared_providers
    providers.reset()
    port = free_port()
    settings = make_settings(database, storage, url, f"http://{LOOPBACK}:{port}")
    with served(create_app(settings), port) as address:
        yield World(address, settings, database, storage, providers, Keys())
    database.clear()


def test_a_session_in_the_later_schema_comes_to_done(later: World) -> None:
    """Unknown columns keep their defaults, and tables that refer to ours prevent neither processing nor deletion."""
    session_id = later.upload("newer")
    assert later.deliver(session_id).status_code == 200
    row = later.database.session(session_id)
    [transcript] = later.database.rows(f"SELECT * FROM transcripts WHERE \"sessionId\" = '{session_id}'")
    later.database.execute(
        f"""INSERT INTO metric_snapshots (id, "sessionId", key, level, score) VALUES ('m', '{session_id}', 'k', 'low', 3);
        INSERT INTO drill_attempts (id, "userId", "sessionId", "drillType", "metricKey", prompt)
        VALUES ('d', '{row["userId"]}', '{session_id}', 't', 'k', 'p')"""
    )
    with later.client("newer") as client:
        detail = client.get(f"/api/sessions/{session_id}").json()
        deleted = client.delete(f"/api/sessions/{session_id}")

    assert row["status"] == "DONE" and row["isChunked"] is False and row["summary"] is None
    assert transcript["wordsUsed"] == [] and transcript["improvedText"] is None
    # Our answer does not contain columns that version 0.7.0 does not know.
    assert detail["status"] == "DONE" and "isChunked" not in detail
    assert deleted.status_code == 200
    assert later.database.rows("SELECT \"sessionId\" FROM drill_attempts WHERE id = 'd'") == [{"sessionId": None}]


@pytest.mark.parametrize("status", LATER_STATUSES)
def test_a_session_in_a_later_status_is_left_alone(later: World, status: str) -> None:
    """Deliveries, retries and the sweep leave its row and its chunks; its owner may list, read and delete it."""
    session_id = later.upload("chunky")
    [user] = later.database.rows("SELECT id FROM users WHERE \"externalId\" = 'local-chunky'")
    chunk, drill = f"sessions/{user['id']}/{session_id}/chunks/0.wav", f"drills/{user['id']}/{session_id}/audio.webm"
    for key in (chunk, drill):
        later.storage.client().put_object(Bucket=later.storage.bucket, Key=key, Body=b"a chunk")
    later.database.execute(
        f"""UPDATE speaking_sessions SET status = '{status}', "isChunked" = true,
            "updatedAt" = now() - interval '3 days', "createdAt" = now() - interval '3 days' WHERE id = '{session_id}'"""
    )
    before = later.database.session(session_id)
    answers = [later.deliver(session_id, retried) for retried in (0, 1)]
    swept = later.signed("/api/internal/sweep", b"{}")
    stored = later.storage.stored_keys()
    with later.client("chunky") as client:
        listed = client.get("/api/sessions").json()["sessions"]
        detail = client.get(f"/api/sessions/{session_id}").json()
        after = later.database.session(session_id)
        deleted = client.delete(f"/api/sessions/{session_id}")

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(400, "INVALID_STATE")}
    assert swept.status_code == 200 and after == before
    assert {chunk, drill} <= set(stored)
    assert [each["status"] for each in listed if each["id"] == session_id] == [status]
    assert detail["status"] == status and deleted.status_code == 200


@pytest.mark.parametrize(("method", "path"), LATER_ENDPOINTS)
def test_endpoints_of_later_versions_are_404_with_a_code(world: World, method: str, path: str) -> None:
    """Never a wrong success, not even for the owner of the session."""
    session_id = world.upload()
    with world.client() as client:
        answer = client.request(method, path.format(id=session_id))

    assert answer.status_code == 404
    assert answer.json() == {"error": "Not found", "code": "NOT_FOUND"}


@pytest.mark.parametrize("body", LATER_BODIES)
def test_other_json_does_not_begin_a_direct_upload(world: World, body: Any) -> None:
    """Requests of later versions are refused and leave no row behind."""
    with world.client() as client:
        answer = client.post("/api/sessions", json=body)

    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_BODY")
    assert world.database.rows("SELECT id FROM speaking_sessions") == []


def test_completing_a_chunked_recording_is_404(world: World) -> None:
    """Our ``complete`` takes no body; a request with a body is meant for the endpoint of a later version."""
    session_id = world.upload()
    before = world.database.session(session_id)
    with world.client() as client:
        chunked = client.post(f"/api/sessions/{session_id}/complete", json={"chunkCount": 3, "durationSecs": 60})
        ours = client.post(f"/api/sessions/{session_id}/complete")

    assert (chunked.status_code, chunked.json()["code"]) == (404, "NOT_FOUND")
    assert ours.status_code == 200 and world.database.session(session_id) == before
