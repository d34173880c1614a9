"""A local QStash on a socket, and a destination with scripted answers and recorded deliveries."""

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from qstash import QStash, Receiver
from qstash.message import PublishResponse
from qstash_on_loopback.server import create_app
from qstash_on_loopback.service import Options
from qstash_on_loopback.signing import CURRENT_KEY, NEXT_KEY, TOKEN
from qstash_serving import LOOPBACK, free_port, served
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

# Turns 12 s into 12 ms.
FAST = 0.001


@dataclass(frozen=True)
class Delivery:
    """One received request. Header names are in lower case."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Destination:
    """Answers 200 unless ``script`` has another status and headers. ``unscripted`` paths always answer 200."""

    script: deque[tuple[int, dict[str, str]]] = field(default_factory=deque[tuple[int, dict[str, str]]])
    deliveries: list[Delivery] = field(default_factory=list[Delivery])
    unscripted: tuple[str, ...] = ("/attempt", "/failed")
    delay_s: float = 0.0
    running: int = 0
    most_at_once: int = 0

    def to(self, path: str) -> list[Delivery]:
        """The deliveries to a path."""
        return [each for each in self.deliveries if each.url.split("?")[0].endswith(path)]

    @property
    def app(self) -> Starlette:
        """The application to serve."""
        return Starlette(routes=[Route("/{path:path}", self._take, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])])

    def answer_to(self, path: str) -> tuple[int, dict[str, str]]:
        """Status and headers for the next delivery to a path."""
        return self.script.popleft() if self.script and path not in self.unscripted else (200, {})

    async def _take(self, request: Request) -> Response:
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            body = await request.body()
            self.deliveries.append(
                Delivery(request.method, str(request.url), dict(request.headers), body, time.monotonic())
            )
            status, headers = self.answer_to(request.url.path)
            await asyncio.sleep(self.delay_s)
        finally:
            self.running -= 1
        return Response("404 Not Found" if status == 404 else "the answer", status, headers)


@dataclass
class QStashHarness:
    """The server, its destination, and a client of the official SDK."""

    url: str
    target: str
    destination: Destination
    client: QStash

    def post(
        self, path: str, headers: dict[str, str] | None = None, content: bytes = b"", **more: Any
    ) -> httpx.Response:
        """A POST without the SDK."""
        return self.request("POST", path, headers=headers, content=content, **more)

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        """A request with the token, without the SDK."""
        given = {"authorization": f"Bearer {TOKEN}", **(headers or {})}
        return httpx.request(method, self.url + path, headers=given, trust_env=False, verify=False, **more)

    def wait(self, condition: Callable[[], object], seconds: float = 30) -> None:
        """Wait until the condition is true."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"timed out; deliveries: {self.destination.deliveries}"
            time.sleep(0.01)

    def states(self, message_id: str) -> list[str]:
        """The states of a message, oldest first."""
        logs = self.client.log.list(filter={"message_id": message_id}).logs
        return [log.state.value for log in reversed(logs)]


@contextmanager
def local_queue(time_scale: float = FAST, **options: Any) -> Generator[QStashHarness, None, None]:
    """Run a server and a destination inside the block."""
    destination = Destination()
    with served(destination.app) as target, served(create_app(Options(time_scale, **options))) as url:
        client = QStash(TOKEN, base_url=url, retry=False)
        try:
            yield QStashHarness(url, target, destination, client)
        finally:
            client.http._client.close()  # pyright: ignore[reportPrivateUsage]  # the SDK has no public method for this


class StoppableDestination:
    """A destination on a fixed port that can be stopped and started again."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.destination = Destination()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Serve until stop()."""
        up = threading.Event()

        def run() -> None:
            with served(self.destination.app, self.port):
                up.set()
                self._stop.wait()

        self._stop.clear()
        self._thread = threading.Thread(target=run)
        self._thread.start()
        assert up.wait(10)

    def stop(self) -> None:
        """Refuse connections from now on."""
        self._stop.set()
        if self._thread:
            self._thread.join()


def publish(queue: QStashHarness, path: str = "/hook", **options: Any) -> str:
    """Publish through the SDK, and return the message's id."""
    answer = queue.client.message.publish(url=queue.target + path, **options)
    assert isinstance(answer, PublishResponse)
    return answer.message_id


def verify(delivery: Delivery, url: str, current: str = CURRENT_KEY, next_: str = NEXT_KEY) -> None:
    """Verify a delivery with the official receiver. Raises SignatureError."""
    Receiver(current, next_).verify(
        signature=delivery.headers["upstash-signature"], body=delivery.body.decode(), url=url
    )
