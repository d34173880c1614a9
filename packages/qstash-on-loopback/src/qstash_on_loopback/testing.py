"""Runs the server in a thread, for tests: ``with running(Options(time_scale=0.001)) as server``."""

import json
import socket
import threading
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import uvicorn

from qstash_on_loopback.server import create_app
from qstash_on_loopback.service import Options
from qstash_on_loopback.signing import CURRENT_KEY, NEXT_KEY

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 1
REQUEST_TIMEOUT_S = 300.0
POLL_S = 0.01


@dataclass(frozen=True)
class RunningServer:
    """A running server. Its methods raise urllib.error.HTTPError if the server refuses a request."""

    url: str
    token: str

    @property
    def environment(self) -> dict[str, str]:
        """The four settings that a client and a receiver need."""
        return {
            "QSTASH_URL": self.url,
            "QSTASH_TOKEN": self.token,
            "QSTASH_CURRENT_SIGNING_KEY": CURRENT_KEY,
            "QSTASH_NEXT_SIGNING_KEY": NEXT_KEY,
        }

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send any API request with a JSON body. Returns the JSON of the answer, or None if it is empty."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        request = urllib.request.Request(self.url + path, content, headers, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=REQUEST_TIMEOUT_S) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def advance(self, seconds: float) -> None:
        """Move the clock forward. Returns once everything that became due has been attempted, in order."""
        self.request("POST", "/__clock", {"advance": str(seconds)})

    def events(self, **filters: str) -> list[dict[str, Any]]:
        """The events, newest first. ``filters`` are those of the API, such as ``messageId``."""
        found: list[dict[str, Any]] = self.request("GET", f"/v2/events?{urlencode(filters)}")["events"]
        return found

    def dead_letters(self, **filters: str) -> list[dict[str, Any]]:
        """The dead letter queue, newest first."""
        found: list[dict[str, Any]] = self.request("GET", f"/v2/dlq?{urlencode(filters)}")["messages"]
        return found

    def wait_until_done(self, timeout_s: float = 10.0) -> None:
        """Wait until no message is pending. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while waiting := self.request("GET", "/__state")["counts"]["waiting"]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{waiting} messages are still pending after {timeout_s:g} s")
            time.sleep(POLL_S)


@contextmanager
def running(options: Options | None = None) -> Generator[RunningServer, None, None]:
    """Run a server on a free loopback port inside the block. Raises RuntimeError if it does not start."""
    options = options or Options()
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = uvicorn.Config(
        create_app(options), log_config=None, proxy_headers=False, timeout_graceful_shutdown=STOP_TIMEOUT_S
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True, name="qstash-on-loopback")
    thread.start()
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the server did not start")
            time.sleep(POLL_S)
        yield RunningServer(f"http://127.0.0.1:{listener.getsockname()[1]}", options.token)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
