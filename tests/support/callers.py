"""Callers of the HTTP API in tests: a signed-in learner, an anonymous client, QStash, and a raw socket."""

import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from local.ports import LOOPBACK
from local.token import session_cookie
from tests.support.world import AUDIO, SECRET, World

SESSIONS = "/api/sessions"
DIRECT = {"contentType": "audio/webm", "size": len(AUDIO), "duration": 12.5}
WAIT_S = 30


@dataclass
class Callers:
    """The application, and a stricter one with short time limits, one upload at a time and no signing keys."""

    world: World
    strict_url: str

    def learner(self, method: str, path: str, user: str = "ada", **request: Any) -> httpx.Response:
        """Send a request as a signed-in learner."""
        with self.world.client(user) as client:
            return client.request(method, path, **request)

    def anonymous(self, method: str, path: str, url: str = "", **request: Any) -> httpx.Response:
        """Send a request without a cookie or a signature."""
        return httpx.request(method, (url or self.world.url) + path, trust_env=False, timeout=WAIT_S, **request)

    def begin(self, **changes: Any) -> httpx.Response:
        """Begin a direct upload."""
        return self.learner("POST", SESSIONS, json={**DIRECT, **changes})

    def begun(self) -> tuple[str, str]:
        """Begin a direct upload, and return the session's id and the storage key. The recording is not stored yet."""
        session_id: str = self.begin().json()["id"]
        return session_id, self.world.database.session(session_id)["audioUrl"]

    def complete(self, session_id: str, **request: Any) -> httpx.Response:
        """Complete a direct upload."""
        return self.learner("POST", f"{SESSIONS}/{session_id}/complete", **request)

    def store(self, key: str, content_type: str = "audio/webm") -> None:
        """Store a recording without using the signed URL."""
        client, bucket = self.world.storage.client(), self.world.storage.bucket
        client.put_object(Bucket=bucket, Key=key, Body=AUDIO, ContentType=content_type)

    def leased(self) -> str:
        """A session that is leased by another delivery."""
        session_id = self.world.upload()
        self.world.database.execute(
            "UPDATE speaking_sessions SET status = 'TRANSCRIBING', \"updatedAt\" = timezone('utc', now())"
        )
        return session_id

    def done(self) -> str:
        """A session that is DONE."""
        session_id = self.world.upload()
        assert self.world.deliver(session_id).status_code == 200
        return session_id

    @contextmanager
    def slow_upload(self) -> Generator[socket.socket, None, None]:
        """An upload to the stricter application, of which only the beginning is sent."""
        cookie = session_cookie(SECRET, self.strict_url, "ada")
        head = (
            f"POST {SESSIONS} HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nContent-Length: 5000000\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\nExpect: 100-continue\r\n\r\n"
        )
        with socket.create_connection((LOOPBACK, int(self.strict_url.rsplit(":", 1)[1])), WAIT_S) as connection:
            connection.sendall(head.encode())
            assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            yield connection

    def raw(self, request: bytes) -> httpx.Response:
        """Send bytes over a socket, and return the answer."""
        with socket.create_connection((LOOPBACK, int(self.world.url.rsplit(":", 1)[1])), WAIT_S) as connection:
            connection.sendall(request)
            return answer_on(connection)


def answer_on(connection: socket.socket) -> httpx.Response:
    """Read the answer from a connection until the server closes it."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return httpx.Response(int(status.split()[1]), headers=headers, content=body)
