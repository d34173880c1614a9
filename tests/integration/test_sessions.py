"""Reading and deleting sessions as documented, and errors on every path."""

import json
from typing import Any

import httpx
import pytest

from tests.integration.test_uploads import DATE
from tests.support.world import World


@pytest.mark.parametrize(
    "cookie", ["", "authjs.session-token=", "authjs.session-token=garbage", "authjs.session-token=a.b.c.d.e"]
)
def test_requests_without_a_valid_cookie_are_refused(world: World, cookie: str) -> None:
    """401 on every path, before the body is read."""
    for method, path in [
        ("POST", "/api/sessions"),
        ("GET", "/api/sessions"),
        ("GET", "/api/sessions/x"),
        ("DELETE", "/api/sessions/x"),
    ]:
        answer = httpx.request(method, world.url + path, headers={"cookie": cookie}, trust_env=False, verify=False)

        assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized", "code": "UNAUTHORIZED"})


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"externalId": "a\u2028b"},
        {"externalId": "a" * 5_000},
        {"externalId": None},
        {"externalId": ""},
        {"externalId": 5},
        {"exp": "soon"},
    ],
)
def test_expired_or_incomplete_cookie_is_refused(world: World, claims: dict[str, Any]) -> None:
    """A validly encrypted cookie with expired, missing or invalid claims."""
    with world.client(**claims) as client:
        assert client.get("/api/sessions").status_code == 401


def test_cookie_in_chunks_is_joined(world: World) -> None:
    """A value over the browser's size limit arrives in numbered chunks."""
    with world.client() as client:
        name, _, value = client.headers["cookie"].partition("=")
        pieces = [value[i : i + 40] for i in range(0, len(value), 40)]
        cookie = "; ".join(f"{name}.{i}={piece}" for i, piece in reversed(list(enumerate(pieces))))
        client.headers["cookie"] = cookie

        assert len(pieces) > 10 and client.get("/api/sessions").status_code == 200


def test_session_is_shown_whole_and_in_order(world: World) -> None:
    """All columns in schema order, then transcript and insights by severity, as compact JSON that is not cached."""
    session_id = world.upload(topic="Schule äöü")
    world.deliver(session_id)
    with world.client() as client:
        answer = client.get(f"/api/sessions/{session_id}")

    session = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content == json.dumps(session, separators=(",", ":"), ensure_ascii=False).encode()
    assert list(session) == [
        *("id", "userId", "status", "durationSecs", "language", "topic", "promptUsed", "audioUrl", "audioDeletedAt"),
        *("errorMessage", "focusNext", "createdAt", "updatedAt", "transcript", "insights"),
    ]
    assert list(session["transcript"]) == ["id", "sessionId", "text", "wordCount"]
    assert list(session["insights"][0]) == [
        *("id", "sessionId", "category", "pattern", "detail", "frequency", "severity", "examples", "suggestion")
    ]
    assert [insight["severity"] for insight in session["insights"]] == ["high", "low"]
    assert session["insights"][1]["examples"] is None
    assert all(DATE.fullmatch(session[name]) for name in ("createdAt", "updatedAt", "audioDeletedAt"))


def test_list_is_newest_first_and_the_callers_own(world: World) -> None:
    """With pages, clamped values and defaults."""
    mine = [world.upload() for _ in range(3)]
    world.upload(user="eve")
    with world.client() as client:
        page = client.get("/api/sessions?page=1&limit=2").json()
        assert [row["id"] for row in page["sessions"]] == mine[:0:-1]
        assert (page["total"], page["page"], page["limit"]) == (3, 1, 2)
        assert list(page["sessions"][0]) == [
            "id",
            "status",
            "durationSecs",
            "language",
            "topic",
            "createdAt",
            "updatedAt",
        ]
        for query, expected in {
            "": (1, 10),
            "?page=abc&limit=abc": (1, 10),
            "?page=0&limit=0": (1, 1),
            "?page=-5&limit=999": (1, 50),
            "?page=99999999999999999999&limit=2.9": (1_000_000_000, 2),
            "?page=&limit=": (1, 10),
        }.items():
            page = client.get("/api/sessions" + query).json()
            assert (page["page"], page["limit"], page["total"]) == (*expected, 3), query


def test_newcomer_has_an_empty_list_and_no_sessions(world: World) -> None:
    """For a signed-in caller without a user row."""
    with world.client("nobody") as client:
        assert client.get("/api/sessions").json() == {"sessions": [], "total": 0, "page": 1, "limit": 10}
        answer = client.get("/api/sessions/x")
        assert (answer.status_code, answer.json()["code"]) == (404, "USER_NOT_FOUND")


@pytest.mark.parametrize("session_id", ["unknown", "%00", "%ff", "a" * 5000, "..%2f", "%F0%9F%8E%A4", "'%20OR%201=1"])
def test_unknown_session_is_404(world: World, session_id: str) -> None:
    """Whatever the path contains."""
    world.upload()
    with world.client() as client:
        for method in ("GET", "DELETE"):
            answer = client.request(method, f"/api/sessions/{session_id}")
            assert answer.status_code == 404 and answer.json()["code"] in ("SESSION_NOT_FOUND", "NOT_FOUND")


def test_somebody_elses_session_is_unknown(world: World) -> None:
    """It can neither be read nor deleted."""
    session_id = world.upload()
    world.upload(user="eve")
    with world.client("eve") as eve:
        assert eve.get(f"/api/sessions/{session_id}").json()["code"] == "SESSION_NOT_FOUND"
        assert eve.delete(f"/api/sessions/{session_id}").status_code == 404
    assert world.database.session(session_id)


def test_delete_removes_everything(world: World) -> None:
    """Audio, row, transcript and insights are deleted; the second time, it is 404."""
    waiting, done = world.upload(), world.upload()
    world.deliver(done)
    with world.client() as client:
        for session_id in (waiting, done):
            answer = client.delete(f"/api/sessions/{session_id}")
            assert (answer.status_code, answer.json()) == (200, {"ok": True})
            assert client.delete(f"/api/sessions/{session_id}").status_code == 404

    assert world.storage.stored_keys() == []
    for table in ("speaking_sessions", "transcripts", "insights"):
        assert world.database.rows(f"SELECT id FROM {table}") == []


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "NOT_FOUND"),
        ("GET", "/api/sessions/", 404, "NOT_FOUND"),
        ("GET", "/api/nothing", 404, "NOT_FOUND"),
        ("PUT", "/api/sessions", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/api/sessions/x", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/api/internal/process", 405, "METHOD_NOT_ALLOWED"),
        ("TRACE", "/api/health", 405, "METHOD_NOT_ALLOWED"),
    ],
)
def test_every_error_has_the_same_body(world: World, method: str, path: str, status: int, code: str) -> None:
    """Exactly ``error`` and ``code``, on every path and method."""
    answer = httpx.request(method, world.url + path, trust_env=False, verify=False)

    assert answer.status_code == status and answer.json()["code"] == code
    assert set(answer.json()) == {"error", "code"}
    assert ("allow" in answer.headers) == (status == 405)


def test_health(world: World) -> None:
    """The service is alive, and can use the database."""
    assert httpx.get(f"{world.url}/api/health", trust_env=False, verify=False).json() == {"status": "ok"}
    assert httpx.get(f"{world.url}/api/health/ready", trust_env=False, verify=False).status_code == 200
