"""How to cause each answer that docs/openapi.json documents."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import httpx

from app.sessions.repair import NEVER_UPLOADED
from local.token import session_cookie
from tests.support.callers import SESSIONS, WAIT_S, Callers, answer_on
from tests.support.openapi import ANY
from tests.support.providers import Reply
from tests.support.world import AUDIO, SECRET

PROCESS, FAILED, SWEEP = "/api/internal/process", "/api/internal/process-failed", "/api/internal/sweep"
RECORDING: dict[str, Any] = {"audio": ("blob", AUDIO, "audio/webm")}
WHOLE: dict[str, Any] = {"files": RECORDING, "data": {"duration": "12.5"}}
TOO_LARGE = b" " * (64 * 1024 + 1)


@contextmanager
def without_tables(c: Callers) -> Generator[None, None, None]:
    """Makes every statement about sessions fail in PostgreSQL."""
    c.world.database.execute("ALTER TABLE speaking_sessions RENAME TO away")
    try:
        yield
    finally:
        c.world.database.execute("ALTER TABLE away RENAME TO speaking_sessions")


@contextmanager
def without_database(c: Callers) -> Generator[None, None, None]:
    """Makes PostgreSQL refuse connections to the application's database."""
    server, name = c.world.database.server, c.world.database.name
    server.psql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    server.psql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    try:
        yield
    finally:
        server.psql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        deadline = time.monotonic() + WAIT_S
        while c.anonymous("GET", "/api/health/ready").status_code != 200:
            assert time.monotonic() < deadline, "the database did not come back"


def broken(method: str, path: str) -> "Cause":
    """A learner's request while the tables are missing."""

    def cause(c: Callers) -> httpx.Response:
        with without_tables(c):
            return c.learner(method, path, **(WHOLE if path == SESSIONS and method == "POST" else {}))

    return cause


def not_ready(c: Callers) -> httpx.Response:
    """The readiness check while the database is unavailable."""
    with without_database(c):
        return c.anonymous("GET", "/api/health/ready")


def deleted_meanwhile(c: Callers) -> httpx.Response:
    """An upload whose session is deleted while its recording is being stored."""
    c.world.database.execute(
        "CREATE FUNCTION delete_session() RETURNS trigger AS $$ BEGIN DELETE FROM speaking_sessions WHERE id = OLD.id; "
        "RETURN NULL; END $$ LANGUAGE plpgsql; CREATE TRIGGER delete_session BEFORE UPDATE ON speaking_sessions "
        "FOR EACH ROW WHEN (OLD.status = 'CREATED') EXECUTE FUNCTION delete_session()"
    )
    try:
        return c.learner("POST", SESSIONS, **WHOLE)
    finally:
        c.world.database.execute("DROP TRIGGER delete_session ON speaking_sessions; DROP FUNCTION delete_session")


def too_many_at_once(c: Callers) -> httpx.Response:
    """A second concurrent upload, where only one is allowed."""
    with c.slow_upload():
        cookie = {"cookie": session_cookie(SECRET, c.strict_url, "ada")}
        return c.anonymous("POST", SESSIONS, c.strict_url, headers=cookie, **WHOLE)


def too_slow(c: Callers) -> httpx.Response:
    """A request whose body stops arriving."""
    with c.slow_upload() as connection:
        return answer_on(connection)


def too_many_open(c: Callers) -> httpx.Response:
    """One direct upload more than the maximum number of open ones."""
    for _ in range(c.world.settings.open_uploads_per_learner):
        assert c.begin().status_code == 201
    return c.begin()


def listed(c: Callers) -> httpx.Response:
    """The list of a learner with one session."""
    c.world.upload()
    return c.learner("GET", SESSIONS)


def uploaded(c: Callers) -> httpx.Response:
    """A direct upload that is stored and completed."""
    session_id, key = c.begun()
    c.store(key)
    return c.complete(session_id)


def another_file(c: Callers) -> httpx.Response:
    """A direct upload of a file that is not audio, in a storage that ignores the signature."""
    session_id, key = c.begun()
    c.store(key, "text/html")
    return c.complete(session_id)


def expired(c: Callers) -> httpx.Response:
    """A direct upload that the sweep has marked as FAILED."""
    session_id, _ = c.begun()
    c.world.database.execute(
        f"UPDATE speaking_sessions SET status = 'FAILED', \"errorMessage\" = '{NEVER_UPLOADED}' WHERE id = '{session_id}'"
    )
    return c.complete(session_id)


def step_failed(c: Callers) -> httpx.Response:
    """Whisper asks us to retry later."""
    c.world.providers.whisper.append(Reply(429, {"error": {"message": "busy"}}, {"retry-after": "0.01"}, times=3))
    return c.world.deliver(c.world.upload())


def permanent(c: Callers) -> httpx.Response:
    """Whisper refuses the file."""
    c.world.providers.whisper.append(Reply(400, {"error": {"message": "not audio"}}))
    return c.world.deliver(c.world.upload())


def failure_callback_broken(c: Callers) -> httpx.Response:
    """A failure callback while the tables are missing."""
    session_id = c.world.upload()
    with without_tables(c):
        return c.world.deliver_failure(session_id)


def sweep_broken(c: Callers) -> httpx.Response:
    """A sweep while the tables are missing."""
    with without_tables(c):
        return c.world.signed(SWEEP, b"{}")


Cause = Callable[[Callers], httpx.Response]


def signed_path(operation: str, path: str) -> dict[tuple[str, int, str], Cause]:
    """The causes that QStash's three paths have in common."""
    wrong = {"upstash-signature": "e30.e30.e30"}
    return {
        (operation, 401, "MissingSignature"): lambda c: c.anonymous("POST", path, content=b"{}"),
        (operation, 401, "InvalidSignature"): lambda c: c.anonymous("POST", path, content=b"{}", headers=wrong),
        (operation, 413, "BodyTooLarge"): lambda c: c.world.signed(path, TOO_LARGE),
        (operation, 503, "NotConfigured"): lambda c: c.anonymous("POST", path, c.strict_url, headers=wrong),
    }


def learners_path(operation: str, method: str, path: str) -> dict[tuple[str, int, str], Cause]:
    """The causes that the paths of a single session have in common."""

    def unknown(c: Callers) -> httpx.Response:
        c.world.upload()
        return c.learner(method, path)

    return {
        (operation, 401, "Unauthorized"): lambda c: c.anonymous(method, path),
        (operation, 404, "SessionNotFound"): unknown,
        (operation, 404, "UserNotFound"): lambda c: c.learner(method, path, "newcomer"),
    }


def form(**changes: Any) -> Cause:
    """An upload with a form, with changes."""
    return lambda c: c.learner("POST", SESSIONS, **{**WHOLE, **changes})


def direct(**changes: Any) -> Cause:
    """Begins a direct upload, with changes."""
    return lambda c: c.begin(**changes)


CAUSES: dict[tuple[str, int, str], Cause] = {
    ("createSession", 201, "Form"): form(),
    ("createSession", 201, "Direct"): direct(),
    ("createSession", 400, "InvalidBody"): lambda c: c.learner("POST", SESSIONS, content=b"x"),
    ("createSession", 400, "InvalidText"): form(data={"duration": "1", "topic": "t" * 10_001}),
    ("createSession", 400, "MissingAudio"): form(files={"other": ("a", b"a", "audio/webm")}),
    ("createSession", 400, "InvalidDuration"): form(data={"duration": "soon"}),
    ("createSession", 400, "InvalidSize"): direct(size=0),
    ("createSession", 400, "WrongType"): direct(contentType="video/webm"),
    ("createSession", 401, "Unauthorized"): lambda c: c.anonymous("POST", SESSIONS),
    ("createSession", 404, "SessionNotFound"): deleted_meanwhile,
    ("createSession", 413, "AudioTooLarge"): direct(size=52_428_801),
    ("createSession", 413, "BodyTooLarge"): direct(topic="t" * 70_000),
    ("createSession", 429, "TooManyUploads"): too_many_at_once,
    ("createSession", 429, "TooManyOpenUploads"): too_many_open,
    ("createSession", 500, "UploadFailed"): broken("POST", SESSIONS),
    ("listSessions", 200, "Page"): listed,
    ("listSessions", 401, "Unauthorized"): lambda c: c.anonymous("GET", SESSIONS),
    ("getSession", 200, "Done"): lambda c: c.learner("GET", f"{SESSIONS}/{c.done()}"),
    **learners_path("getSession", "GET", f"{SESSIONS}/x"),
    ("deleteSession", 200, "Deleted"): lambda c: c.learner("DELETE", f"{SESSIONS}/{c.world.upload()}"),
    **learners_path("deleteSession", "DELETE", f"{SESSIONS}/x"),
    ("completeUpload", 200, "Uploaded"): uploaded,
    **learners_path("completeUpload", "POST", f"{SESSIONS}/x/complete"),
    ("completeUpload", 404, "NotFound"): lambda c: c.complete("x", json={"chunkCount": 3}),
    ("completeUpload", 409, "UploadIncomplete"): lambda c: c.complete(c.begun()[0]),
    ("completeUpload", 409, "UploadExpired"): expired,
    ("completeUpload", 413, "StoredFileRefused"): another_file,
    ("completeUpload", 413, "BodyTooLarge"): lambda c: c.complete("x", content=TOO_LARGE),
    ("processSession", 200, "Done"): lambda c: c.world.deliver(c.world.upload()),
    ("processSession", 400, "AlreadyProcessed"): lambda c: c.world.deliver(c.done()),
    ("processSession", 400, "Leased"): lambda c: c.world.deliver(c.leased()),
    **signed_path("processSession", PROCESS),
    ("processSession", 404, "UnknownSession"): lambda c: c.world.deliver("unknown"),
    ("processSession", 489, "InvalidMessage"): lambda c: c.world.signed(PROCESS, b"[]"),
    ("processSession", 489, "Permanent"): permanent,
    ("processSession", 500, "StepFailed"): step_failed,
    ("processFailed", 200, "Settled"): lambda c: c.world.deliver_failure(c.done()),
    ("processFailed", 400, "Leased"): lambda c: c.world.deliver_failure(c.leased()),
    **signed_path("processFailed", FAILED),
    ("processFailed", 489, "InvalidMessage"): lambda c: c.world.signed(FAILED, b"[]"),
    ("sweep", 200, "Swept"): lambda c: c.world.signed(SWEEP, b"{}"),
    **signed_path("sweep", SWEEP),
    ("alive", 200, "Alive"): lambda c: c.anonymous("GET", "/api/health"),
    ("ready", 200, "Ready"): lambda c: c.anonymous("GET", "/api/health/ready"),
    ("ready", 503, "NotReady"): not_ready,
    (ANY, 400, "InvalidRequest"): lambda c: c.raw(b"x\r\n\r\n"),
    (ANY, 403, "ForbiddenOrigin"): lambda c: c.learner(
        "POST", SESSIONS, headers={"origin": "https://elsewhere.example"}
    ),
    (ANY, 404, "NotFound"): lambda c: c.anonymous("GET", "/api/nothing"),
    (ANY, 405, "MethodNotAllowed"): lambda c: c.anonymous("PUT", SESSIONS),
    (ANY, 408, "RequestTimeout"): too_slow,
    (ANY, 431, "HeadersTooLarge"): lambda c: c.anonymous("GET", "/api/health", headers={"x": "x" * 33_000}),
    (ANY, 500, "InternalError"): broken("GET", SESSIONS),
}
# How to cause InternalError, which is documented once for all paths, in each operation that refers to it.
SHARED_500: dict[str, Cause] = {
    "listSessions": broken("GET", SESSIONS),
    "getSession": broken("GET", f"{SESSIONS}/x"),
    "deleteSession": broken("DELETE", f"{SESSIONS}/x"),
    "completeUpload": broken("POST", f"{SESSIONS}/x/complete"),
    "processFailed": failure_callback_broken,
    "sweep": sweep_broken,
}
