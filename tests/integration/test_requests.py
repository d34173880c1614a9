"""Rules for every request: an id, a log line with its route, and an answer in the documented format."""

import asyncio
import dataclasses
import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from app.application import create_app
from app.logs import configure_logging
from app.services import Services, open_services
from app.settings import Settings
from app.web.middleware import RequestBoundary
from local.migrate import ROOT
from local.ports import LOOPBACK, free_port
from tests.conftest import make_settings
from tests.support.serving import served
from tests.support.world import World

CANARY = "the-canary-sings-privately"
WAIT_S = 30


class BrokenDatabase:
    """Simulates a bug: every call raises an exception with private text."""

    def __getattr__(self, name: str) -> Any:
        async def raise_error(*_: object) -> None:
            raise RuntimeError(CANARY)

        return raise_error


@pytest.fixture
def broken_url(world: World) -> Generator[str, None, None]:
    """An application with a bug."""

    @asynccontextmanager
    async def open_broken(settings: Settings) -> AsyncGenerator[Services, None]:
        async with open_services(settings) as services:
            yield dataclasses.replace(services, database=BrokenDatabase())  # pyright: ignore[reportArgumentType]

    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    settings = make_settings(world.database, world.storage, world.settings.openai_base_url.removesuffix("/v1"), url)
    with served(create_app(settings, open_broken), port):
        yield url


def lines(printed: str) -> list[dict[str, Any]]:
    """The log lines."""
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


def printed_until_answered(capfd: pytest.CaptureFixture[str], requests: int = 1) -> str:
    """The output, once ``requests`` log lines are there. They are written after the answer has been sent."""
    printed, deadline = "", time.monotonic() + WAIT_S
    while printed.count('"request_answered"') < requests:
        assert time.monotonic() < deadline, printed
        printed += "".join(capfd.readouterr())
    return printed


def answered(printed: str) -> list[dict[str, Any]]:
    """The log lines of answered requests."""
    return [line for line in lines(printed) if line["event"] == "request_answered"]


def test_an_unexpected_exception_gets_the_standard_error(
    broken_url: str, world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    """500 with the JSON body; the log contains its type and the request id, but no traceback."""
    cookie = world.client().headers["cookie"]
    answer = httpx.get(f"{broken_url}/api/sessions", headers={"cookie": cookie, "x-request-id": "r-1"}, trust_env=False)
    printed = printed_until_answered(capfd)

    assert answer.json() == {"error": "Internal server error", "code": "INTERNAL_ERROR"}
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "r-1")
    assert answer.headers["x-content-type-options"] == "nosniff"
    [crash] = [line for line in lines(printed) if line["event"] == "request_crashed"]
    assert (crash["error"], crash["request_id"]) == ("RuntimeError", "r-1")
    assert CANARY not in printed and "Traceback" not in printed


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", f"/api/sessions/{CANARY}", "/api/sessions/{session_id}"),
        ("PUT", f"/api/sessions/{CANARY}", "/api/sessions/{session_id}"),
        ("POST", f"/api/sessions/{CANARY}/complete?{CANARY}", "/api/sessions/{session_id}/complete"),
        ("GET", f"/{CANARY}", "unknown"),
        ("TRACE", "/api/health", "/api/health"),
    ],
)
def test_the_log_names_the_template_of_a_route(
    world: World, capfd: pytest.CaptureFixture[str], method: str, path: str, route: str
) -> None:
    """Never the caller's path, query or method."""
    with world.client() as client:
        client.request(method, path, headers={"origin": world.url})
        client.request("DELETE", "/api/sessions/x", headers={"origin": "https://evil.example"})
    printed = printed_until_answered(capfd, 2)

    assert [line["route"] for line in answered(printed)] == [route, "/api/sessions/{session_id}"]
    assert CANARY not in printed and "TRACE" not in printed


@pytest.mark.parametrize(
    ("given", "kept"),
    [("r-1._Z", True), ("x" * 64, True), ("x" * 65, False), ("", False), ("a b", False), ("a;b", False), ("é", False)],
)
def test_a_request_has_an_id(world: World, capfd: pytest.CaptureFixture[str], given: str, kept: bool) -> None:
    """The caller's id if it is short and plain, else a new one; it is logged and returned, also with errors."""
    answer = httpx.get(f"{world.url}/nothing", headers=[(b"x-request-id", given.encode("latin-1"))], trust_env=False)

    request_id = answer.headers["x-request-id"]
    assert (request_id == given) == kept and len(request_id) <= 64
    assert answered(printed_until_answered(capfd))[0]["request_id"] == request_id


def test_an_upload_aborted_by_the_client_is_not_a_server_error(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """It is logged as client_left with 499, not as a crash with 500."""
    head = (
        f"POST /api/sessions HTTP/1.1\r\nHost: x\r\nCookie: {world.client().headers['cookie']}\r\n"
        "Content-Length: 5000\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
    )
    with socket.create_connection((LOOPBACK, int(world.url.rsplit(":", 1)[1]))) as connection:
        connection.sendall(head.encode())
    printed = printed_until_answered(capfd)

    assert "client_left" in printed and "request_crashed" not in printed
    assert answered(printed)[0]["status"] == 499


@pytest.mark.parametrize("where", ["header", "query"])
def test_large_headers_are_refused(world: World, where: str) -> None:
    """Over 32 KB in total is 431, in headers or in the query."""
    value = "x" * 33_000
    parts: dict[str, Any] = {"headers": {"x-large": value}} if where == "header" else {"params": {"page": value}}
    answer = httpx.get(f"{world.url}/api/health", trust_env=False, **parts)

    assert answer.status_code == 431
    assert answer.json() == {"error": "Request headers are too large", "code": "HEADERS_TOO_LARGE"}
    assert httpx.get(f"{world.url}/api/health", headers={"x-large": "x" * 31_000}, trust_env=False).status_code == 200


@pytest.mark.anyio
async def test_a_request_that_is_cancelled_is_answered(capfd: pytest.CaptureFixture[str]) -> None:
    """A request that the server cancels on shutdown gets an answer that QStash treats as a failure, and a log line."""
    sent: list[Any] = []

    async def cancelled(*_: object) -> Any:
        raise asyncio.CancelledError(CANARY)

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "headers": [],
        "query_string": b"",
        "route": Route("/", cancelled),
    }
    with pytest.raises(asyncio.CancelledError):
        await RequestBoundary(cancelled)(scope, cancelled, send)
    printed = "".join(capfd.readouterr())

    assert sent[0]["status"] == 500 and b"INTERNAL_ERROR" in sent[1]["body"]
    assert "CancelledError" in printed and CANARY not in printed


def test_uvicorn_prints_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    """Its handlers are removed, whatever was configured before."""
    logger = logging.getLogger("uvicorn.error")
    logger.addHandler(logging.StreamHandler())
    configure_logging("json")
    try:
        raise ValueError(CANARY)
    except ValueError:
        logger.exception("Exception in ASGI application\n")
    printed = "".join(capfd.readouterr())

    [line] = lines(printed)
    assert (line["logger"], line["error"]) == ("uvicorn.error", "ValueError")
    assert CANARY not in printed and "Traceback" not in printed


def test_why_uvicorn_cannot_start_is_logged(world: World) -> None:
    """With the system's own message, so that an operator knows what to do."""
    port = world.url.rsplit(":", 1)[1]
    secrets = {
        name.upper(): value.get_secret_value() if hasattr(value, "get_secret_value") else str(value or "")
        for name, value in dict(world.settings).items()
    }
    command = [sys.executable, "-m", "uvicorn", "app.main:app", "--host", LOOPBACK, "--port", port]
    run = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **secrets}, capture_output=True, text=True, timeout=60, check=False
    )

    assert run.returncode in (1, 3)
    assert "Address already in use" in [line.get("reason") for line in lines(run.stdout + run.stderr)]
