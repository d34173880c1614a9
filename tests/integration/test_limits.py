"""Slow and greedy clients are refused, and do not affect others."""

import selectors
import socket
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from app.application import create_app
from local.ports import LOOPBACK, free_port
from local.storage import Storage
from local.token import session_cookie
from tests.conftest import make_settings
from tests.support.providers import Providers
from tests.support.serving import served
from tests.support.world import SECRET, MigratedDatabase

IDLE_S, TOTAL_S, MOST = 2, 4, 3
SLOW = 300
POLL_LIMIT_S = 0.5
BOUNDARY = "b"
HEAD = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\nContent-Type: audio/webm\r\n\r\n'.encode()


@pytest.fixture(scope="module")
def strict_url(
    migrated: MigratedDatabase, storage: Storage, shared_providers: tuple[Providers, str]
) -> Generator[str, None, None]:
    """An application with short time limits."""
    port = free_port()
    settings = make_settings(
        migrated,
        storage,
        shared_providers[1],
        f"http://{LOOPBACK}:{port}",
        body_idle_seconds=str(IDLE_S),
        body_timeout_seconds=str(TOTAL_S),
        max_uploads_per_learner=str(MOST),
    )
    with served(create_app(settings), port) as url:
        yield url


@contextmanager
def slow_upload(url: str, user: str) -> Generator[socket.socket, None, None]:
    """An upload of which only the beginning is sent, while the server waits for the rest."""
    cookie = session_cookie(SECRET, url, user)
    head = (
        f"POST /api/sessions HTTP/1.1\r\nHost: {LOOPBACK}\r\nCookie: {cookie}\r\nContent-Length: 5000000\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection((LOOPBACK, int(url.rsplit(":", 1)[1])), timeout=30) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(HEAD)
        yield connection


def received(connection: socket.socket) -> bytes:
    """Read everything until the server closes the connection."""
    answer = b""
    while chunk := connection.recv(65536):
        answer += chunk
    return answer


def signed_in(url: str, user: str) -> httpx.Client:
    """An HTTP client with the session cookie of ``user``."""
    return httpx.Client(
        base_url=url, headers={"cookie": session_cookie(SECRET, url, user)}, trust_env=False, timeout=30
    )


def test_a_body_that_stops_is_refused(strict_url: str) -> None:
    """After the idle limit it gets 408 as JSON, and the connection is closed."""
    with slow_upload(strict_url, "stops") as connection:
        started = time.monotonic()
        answer = received(connection)

    assert time.monotonic() - started >= IDLE_S
    assert answer.startswith(b"HTTP/1.1 408 ") and b"connection: close" in answer.lower()
    assert answer.endswith(b'{"error":"The request took too long to arrive","code":"REQUEST_TIMEOUT"}')


def test_a_body_that_trickles_is_refused(strict_url: str) -> None:
    """Occasional bytes avoid the idle limit, but not the total time limit."""
    with slow_upload(strict_url, "trickles") as connection, selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        started = time.monotonic()
        while not selector.select(timeout=IDLE_S / 4):
            connection.sendall(b"x")
            assert time.monotonic() - started < 10 * TOTAL_S
        answer = connection.recv(65536)

    assert time.monotonic() - started >= TOTAL_S - 0.1
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_concurrent_uploads_of_a_learner_are_limited(strict_url: str) -> None:
    """One more is 429 with Retry-After; other learners are not affected; a slot is freed when an upload ends."""
    form: dict[str, Any] = {"files": {"audio": ("a", b"x", "audio/webm")}, "data": {"duration": "1"}}
    with signed_in(strict_url, "greedy") as greedy, signed_in(strict_url, "modest") as modest:
        with ExitStack() as stack:
            held = [stack.enter_context(slow_upload(strict_url, "greedy")) for _ in range(MOST)]
            refused = greedy.post("/api/sessions", **form)
            allowed = modest.post("/api/sessions", **form)
            assert all(received(connection).startswith(b"HTTP/1.1 408 ") for connection in held)
        afterwards = greedy.post("/api/sessions", **form)

    assert refused.status_code == 429
    assert refused.json() == {"error": "Too many uploads at once", "code": "TOO_MANY_UPLOADS"}
    assert refused.headers["retry-after"] == "10"
    assert (allowed.status_code, afterwards.status_code) == (201, 201)


def test_three_hundred_slow_uploads_do_not_delay_polls(strict_url: str) -> None:
    """Polls are answered in the meantime, and the slow uploads time out."""
    with ExitStack() as stack, signed_in(strict_url, "polls") as client:
        held = [stack.enter_context(slow_upload(strict_url, f"slow{number // MOST}")) for number in range(SLOW)]
        times: list[float] = []
        for _ in range(20):
            started = time.monotonic()
            assert client.get("/api/sessions").status_code == 200
            times.append(time.monotonic() - started)
        answers = [received(connection)[:13] for connection in held]

    assert sorted(times)[len(times) // 2] < POLL_LIMIT_S, times
    assert set(answers) == {b"HTTP/1.1 408 "}
