"""Many messages at once: they are all delivered, within limits of time and memory."""

import asyncio
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from qstash_on_loopback.signing import TOKEN
from qstash_serving import LOOPBACK, accepts, free_port, served
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

HEADERS = {"authorization": f"Bearer {TOKEN}"}
BATCH = 1_000


@contextmanager
def server(*options: str) -> Generator[tuple[str, int]]:
    """Run the server in its own process, and yield its address and process id."""
    port = free_port()
    command = [sys.executable, "-m", "qstash_on_loopback", "--port", str(port), *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not accepts(port):
                assert process.poll() is None
                time.sleep(0.02)
            yield f"http://{LOOPBACK}:{port}", process.pid
        finally:
            process.terminate()


class Slow:
    """Answers after a delay, and counts requests per message."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s
        self.seen: Counter[str] = Counter()
        self.app = Starlette(routes=[Route("/", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        self.seen[request.headers["upstash-message-id"]] += 1
        await asyncio.sleep(self.delay_s)
        return Response()


def publish_many(url: str, number: int, destination: str, **headers: str) -> None:
    """Publish in batches."""
    item = {"destination": destination, "headers": headers, "body": '{"session": "00000000-0000-0000"}'}
    with httpx.Client(base_url=url, headers=HEADERS, trust_env=False, timeout=60) as client:
        for begin in range(0, number, BATCH):
            answer = client.post("/v2/batch", json=[item] * min(BATCH, number - begin))
            assert answer.status_code == 200 and all("messageId" in one for one in answer.json())


def resident_mb(pid: int) -> float:
    """The resident memory of a process."""
    [line] = [each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def wait(condition: object, seconds: float) -> None:
    """Wait until the condition is true."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.1)


@pytest.mark.timeout(300)
@pytest.mark.thorough
def test_the_timeout_starts_with_the_request_not_in_the_queue() -> None:
    """1,500 messages are due together with a timeout of 4 s; the destination takes 0.5 s. None of them times out."""
    slow = Slow(0.5)
    with served(slow.app) as destination, server("--parallelism", "100") as (url, _):
        due = int(time.time()) + 4
        publish_many(url, 1_500, destination, **{"Upstash-Timeout": "4s", "Upstash-Not-Before": str(due)})
        wait(lambda: len(slow.seen) == 1_500, 120)
        with httpx.Client(base_url=url, headers=HEADERS, trust_env=False) as client:
            wait(lambda: client.get("/__state").json()["counts"]["waiting"] == 0, 30)
            dead = client.get("/v2/dlq").json()["messages"]

    assert dead == [] and set(slow.seen.values()) == {1}


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_ten_thousand_messages_due_together_are_each_delivered_once() -> None:
    """Memory stays flat, and the API answers within 100 ms in the meantime."""
    slow, took_s, memory = Slow(1.0), list[float](), list[float]()
    with served(slow.app) as destination, server() as (url, pid):
        publish_many(url, 10_000, destination, **{"Upstash-Not-Before": str(int(time.time()) + 15)})
        before, stop = resident_mb(pid), threading.Event()

        def probe() -> None:
            with httpx.Client(base_url=url, headers=HEADERS, trust_env=False) as client:
                while not stop.wait(0.2):
                    started = time.monotonic()
                    assert client.get("/v2/globalParallelism").status_code == 200
                    took_s.append(time.monotonic() - started)
                    memory.append(resident_mb(pid))

        prober = threading.Thread(target=probe)
        prober.start()
        try:
            wait(lambda: len(slow.seen) == 10_000, 300)
        finally:
            stop.set()
            prober.join()
    took_s.sort()
    p99 = took_s[int(len(took_s) * 0.99)]
    print(
        f"\nAPI p99 {p99 * 1000:.0f} ms, most {took_s[-1] * 1000:.0f} ms; memory {before:.0f} to {max(memory):.0f} MB"
    )

    assert set(slow.seen.values()) == {1}
    assert p99 < 0.1 and max(memory) - before < 60


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_hundred_thousand_waiting_messages_fit_in_memory() -> None:
    """They take less than 300 MB, and after cancelling them, most of that memory is reused."""
    with server() as (url, pid):
        empty = resident_mb(pid)
        publish_many(url, 100_000, f"http://{LOOPBACK}:9/", **{"Upstash-Delay": "1h"})
        full = resident_mb(pid)
        answer = httpx.delete(url + "/v2/messages", headers=HEADERS, trust_env=False, timeout=120)
        publish_many(url, 100_000, f"http://{LOOPBACK}:9/", **{"Upstash-Delay": "1h"})
        again = resident_mb(pid)
    print(
        f"\n{empty:.0f} MB empty, {full:.0f} MB with 100,000, {again:.0f} MB after cancelling and publishing them again"
    )

    assert answer.json() == {"cancelled": 100_000}
    assert full < 300 and again < full * 1.5
