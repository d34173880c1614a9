"""Random requests to every route: no 5xx, no hang, no error without the JSON body, no canary in the log, no leak.

``make test`` sends a few, ``make fuzz`` 10,000. ``FUZZ_REQUESTS`` and ``FUZZ_SEED`` set another number and another seed.
"""

import dataclasses
import json
import os
import socket
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from starlette.routing import Route

from app.application import create_app
from local.migrate import ROOT
from local.ports import LOOPBACK, accepts, free_port
from tests.fuzz.requests import Request, Requests
from tests.fuzz.values import CANARY
from tests.support.world import World

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "300"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
# Requests take milliseconds, but a busy machine may be much slower.
HANG_S = 30
# Maximum growth after the first fifth of the requests. The allocator keeps some memory.
MOST_GROWTH_KB = 32 * 1024
# With this many requests, each route must have succeeded at least once; in a short run that depends on chance.
ENOUGH_FOR_ALL = 5_000


def exchange(port: int, request: Request) -> bytes:
    """Send a request, and return the answer, or nothing if the connection was closed without one."""
    received = b""
    with socket.create_connection((LOOPBACK, port), timeout=HANG_S) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request.data)
            if not request.whole:
                connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
    return received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")


def checked_answer(request: Request, answer: bytes) -> tuple[int, bytes]:
    """Check an answer, and return its status and body; status 0 means no answer."""
    if not answer:
        assert not request.whole
        return 0, b""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    assert status < 500
    if status >= 400:
        assert b"content-type: application/json" in head.lower()
        if body or (request.whole and request.method != "HEAD"):
            assert list(json.loads(body)) == ["error", "code"]
        assert CANARY.encode() not in body
    return status, body


def resident_kb(pid: int) -> int:
    """Resident memory of a process in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.timeout(3600)
def test_random_requests(world: World, tmp_path: Path) -> None:
    """Against the application in its own process, with checks of its memory and its log."""
    port, log = free_port(), tmp_path / "app.log"
    secrets = {
        name.upper(): value.get_secret_value() if hasattr(value, "get_secret_value") else str(value or "")
        for name, value in dict(world.settings).items()
    }
    command = [sys.executable, "-m", "uvicorn", "app.main:app", "--host", LOOPBACK, "--port", str(port)]
    command += ["--http", "app.web.protocol:BoundedProtocol", "--no-access-log"]
    routes = [route.path for route in create_app(world.settings).routes if isinstance(route, Route)]
    requests = Requests(SEED, world, routes)
    counts: Counter[tuple[str, int]] = Counter()
    warm_kb = 0
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **secrets}, stdout=output, stderr=output)
        try:
            while not accepts(port):
                assert process.poll() is None, log.read_text()
            # Trigger lazy imports before measuring memory.
            there = dataclasses.replace(world, url=f"http://{LOOPBACK}:{port}")
            assert there.deliver(there.upload()).status_code == 200
            for number in range(REQUESTS):
                request = requests.next()
                try:
                    status, body = checked_answer(request, exchange(port, request))
                except Exception as error:
                    error.add_note(f"seed {SEED}, request {number} to {request.route}: {request.data[:3000]!r}")
                    raise
                counts[request.route, status] += 1
                if status == 201:
                    requests.sessions.append(json.loads(body)["id"])
                if number == REQUESTS // 5:
                    warm_kb = resident_kb(process.pid)
            grown_kb = resident_kb(process.pid) - warm_kb
        finally:
            process.terminate()
            process.wait(60)
    print(f"seed {SEED}, {REQUESTS} requests, memory grown by {grown_kb} KiB")
    for (route, status), count in sorted(counts.items()):
        print(f"{count:6} {status or 'none'} {route}")

    printed = log.read_text(errors="replace")
    assert CANARY not in printed and "Traceback" not in printed
    assert grown_kb < MOST_GROWTH_KB
    if REQUESTS >= ENOUGH_FOR_ALL:
        assert {route for route, status in counts if 200 <= status < 300} == set(routes)
