"""A local QStash on a socket, and a destination whose answers a test scripts and whose deliveries it reads."""

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

# 12 s become 12 ms.
FAST = 0.001


@dataclass(frozen=True)
class Delivery:
    """One request that arrived. Header names are in lower case."""

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
    """Answers 200 unless a script says otherwise: status, headers. ``willing`` paths are not scripted."""

    script: deque[tuple[int, dict[str, str]]] = field(default_factory=deque[tuple[int, dict[str, str]]])
    deliveries: list[Delivery] = field(default_factory=list[Delivery])
    willing: tuple[str, ...] = ("/attempt", "/failed")
    delay_s: float = 0.0
    running: int = 0
    most_at_once: int = 0

    def to(self, path: str) -> list[Delivery]:
        """What arrived under a path."""
        return [each for each in self.deliveries if each.url.split("?")[0].endswith(path)]

    @property
    def app(self) -> Starlette:
        """The application to serve."""
        return Starlette(routes=[Route("/{path:path}", self._take, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])])

    def answer_to(self, path: str) -> tuple[int, dict[str, str]]:
        """Status and headers for the next delivery to a path."""
        return self.script.popleft() if self.script and path not in self.willing else (200, {})

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
class Queue:
    """The server, its destination, and the official SDK pointed at it."""

    url: str
    target: str
    destination: Destination
    client: QStash

    def post(
        self, path: str, headers: dict[str, str] | None = None, content: bytes = b"", **more: Any
    ) -> httpx.Response:
        """A request without an SDK."""
        return self.request("POST", path, headers=headers, content=content, **more)

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        """Any request with the token."""
        given = {"authorization": f"Bearer {TOKEN}", **(headers or {})}
        return httpx.request(method, self.url + path, headers=given, trust_env=False, verify=False, **more)

    def wait(self, condition: Callable[[], object], seconds: float = 30) -> None:
        """Wait until it holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not in time: {self.destination.deliveries}"
            time.sleep(0.01)

    def states(self, message_id: str) -> list[str]:
        """A message's events, oldest first."""
        logs = self.client.log.list(filter={"message_id": message_id}).logs
        return [log.state.value for log in reversed(logs)]


@contextmanager
def local_queue(time_scale: float = FAST, **options: Any) -> Generator[Queue, None, None]:
    """A server and a destination for the length of the block."""
    destination = Destination()
    with served(destination.app) as target, served(create_app(Options(time_scale, **options))) as url:
        client = QStash(TOKEN, base_url=url, retry=False)
        try:
            yield Queue(url, target, destination, client)
        finally:
            client.http._client.close()  # pyright: ignore[reportPrivateUsage]  # the SDK has no door of its own for that


class Mortal:
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


def publish(queue: Queue, path: str = "/hook", **options: Any) -> str:
    """Publish by the SDK; the message's id."""
    answer = queue.client.message.publish(url=queue.target + path, **options)
    assert isinstance(answer, PublishResponse)
    return answer.message_id


def verify(delivery: Delivery, url: str, current: str = CURRENT_KEY, next_: str = NEXT_KEY) -> None:
    """The official receiver's judgement. Raises SignatureError."""
    Receiver(current, next_).verify(
        signature=delivery.headers["upstash-signature"], body=delivery.body.decode(), url=url
    )
