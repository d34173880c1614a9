"""A program that has taken the engine's port receives neither the token nor a query."""

import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import httpx
import pytest

from app.database.transport import EngineTransport
from local.ports import LOOPBACK

pytestmark = pytest.mark.anyio


class Impostor(BaseHTTPRequestHandler):
    """Answers every request, and records what it receives."""

    answer: ClassVar[bytes] = b""
    received: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Record a request and answer it."""
        type(self).received.append(f"{self.path} {self.headers.get('authorization')}")
        self.send_response(200)
        self.send_header("content-length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@contextmanager
def impostor(answer: bytes) -> Generator[str]:
    """Run the impostor, and yield its address."""
    Impostor.answer, Impostor.received = answer, []
    with HTTPServer((LOOPBACK, 0), Impostor) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()


@pytest.fixture
def child() -> Generator[int]:
    """The process id of a child process that is not an engine."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.communicate(b"\n")


@pytest.mark.parametrize(
    "lie", ['{"status":"ok"}', '{"status":"ok","pid":%d}', '{"pid":%d,"proof":"\u00e9"}', "[]", "{"]
)
async def test_impostor_receives_nothing(lie: str, child: int) -> None:
    """Whatever process id or proof it sends, it cannot prove that it knows the token."""
    with impostor((lie % child if "%d" in lie else lie).encode()) as url:
        transport = EngineTransport("secret-token", proves=True)
        async with httpx.AsyncClient(transport=transport) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(f"{url}/status")
            assert not await transport.responds()
    assert transport.pid is None
    assert Impostor.received == ["/status None", "/status None"]


async def test_prismas_native_engine_is_trusted_without_proof() -> None:
    """The native binary sends neither a process id nor a proof."""
    with impostor(b'{"status":"ok"}') as url:
        async with httpx.AsyncClient(transport=EngineTransport("secret-token", proves=False)) as client:
            assert (await client.get(f"{url}/status")).is_success
            await client.post(f"{url}/", content=b"{}")
    assert Impostor.received == ["/status None", "/ Bearer secret-token"]
