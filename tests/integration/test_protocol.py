"""HTTP over a raw socket: invalid HTTP, headers that are too long or too slow, and pipelined requests."""

import dataclasses
import socket
from contextlib import suppress

import pytest

from app.application import create_app
from app.web.protocol import BoundedProtocol
from local.ports import LOOPBACK, free_port
from tests.conftest import make_settings
from tests.support.serving import served
from tests.support.world import World

WAIT_S = 30


class ShortTimeoutProtocol(BoundedProtocol):
    """The production protocol with a shorter time limit for headers."""

    head_timeout_s = 1.0


def raw(port: int, *pieces: bytes) -> bytes:
    """Send the pieces one after the other, and read until the server closes the connection."""
    with socket.create_connection((LOOPBACK, port), timeout=WAIT_S) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                connection.sendall(piece)
        received = b""
        with suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
    return received


@pytest.mark.parametrize(
    "garbage",
    [
        b"x\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\n\r\n",
    ],
)
def test_invalid_http_gets_a_json_error(world: World, garbage: bytes) -> None:
    """uvicorn's own error, in our format."""
    head, _, body = raw(int(world.url.rsplit(":", 1)[1]), garbage).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 400 ") and b"content-type: application/json" in head
    assert body == b'{"error":"Invalid HTTP request","code":"BAD_REQUEST"}'


def test_endless_headers_are_refused(world: World) -> None:
    """After 32 KB the answer is 431 and the connection is closed, however much is still to come."""
    port = int(world.url.rsplit(":", 1)[1])
    with socket.create_connection((LOOPBACK, port), timeout=WAIT_S) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        sent = 0
        with suppress(BrokenPipeError, ConnectionResetError):
            while sent < 100_000_000:
                sent += connection.send(b"x: " + b"y" * 8000 + b"\r\n")

    assert sent < 50_000_000
    assert raw(port, b"GET / HTTP/1.1\r\nx: " + b"y" * 33_000).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("size", [1_000, 33_000, 60_000, 300_000])
def test_a_large_body_is_not_taken_for_headers(world: World, size: int) -> None:
    """One or several requests may arrive in one piece, however long their bodies are."""
    port, cookie = int(world.url.rsplit(":", 1)[1]), world.client().headers["cookie"].encode()
    head = b"POST /api/sessions HTTP/1.1\r\nHost: x\r\nCookie: " + cookie + b"\r\nContent-Type: application/json\r\n"
    one = head + b"Content-Length: %d\r\n\r\n" % size + b"[" * size
    last = b"GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answers = raw(port, one + one + last)

    assert answers.count(b"HTTP/1.1 413 " if size > 65_536 else b"HTTP/1.1 400 ") == 2
    assert answers.count(b"HTTP/1.1 200 ") == 1 and b"HEADERS_TOO_LARGE" not in answers


def test_slow_headers_time_out_but_a_slow_answer_does_not(world: World) -> None:
    """Partial headers get 408, idle connections are closed, but a delivery that takes longer is answered."""
    port = free_port()
    settings = make_settings(
        world.database, world.storage, world.settings.openai_base_url.removesuffix("/v1"), f"http://{LOOPBACK}:{port}"
    )
    with served(create_app(settings), port, http=ShortTimeoutProtocol) as url:
        there = dataclasses.replace(world, url=url, settings=settings)
        half = raw(port, b"GET / HTTP/1.1\r\nHost")
        nothing = raw(port)
        kept = raw(port, b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /")
        refused = raw(port, b"POST /api/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
        world.providers.delay_s = 1.5
        try:
            delivered = there.deliver(there.upload())
        finally:
            world.providers.delay_s = 0.0

    assert half.startswith(b"HTTP/1.1 408 ") and half.endswith(b'"code":"REQUEST_TIMEOUT"}')
    assert nothing == b""
    assert kept.startswith(b"HTTP/1.1 200 ") and kept.count(b"HTTP/1.1") <= 2
    assert refused.startswith(b"HTTP/1.1 401 ") and refused.count(b"HTTP/1.1") == 1
    assert delivered.status_code == 200
