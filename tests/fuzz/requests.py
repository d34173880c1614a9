"""Random requests to every route, as bytes. Most are almost valid, so that they pass the first checks."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from local.token import session_cookie
from tests.fuzz.values import CANARY, Values
from tests.support.world import SECRET, World

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
USERS = 5


@dataclass
class Request:
    """One request. ``whole`` means that it is complete, so the server must answer it without waiting for more."""

    route: str
    method: str
    data: bytes
    whole: bool


class Requests:
    """Generates random requests. ``sessions`` are the ids of sessions that the server has created."""

    def __init__(self, seed: int, world: World, routes: list[str]) -> None:
        self.values, self._world, self._routes = Values(seed), world, routes
        self.sessions: list[str] = []
        app_url = world.settings.app_url
        users: list[dict[str, Any]] = [{"email": CANARY, "name": CANARY} for _ in range(USERS)]
        self._cookies = [session_cookie(SECRET, app_url, f"{CANARY}{n}", **user) for n, user in enumerate(users)]
        for claims in (
            {"exp": 1},
            {"exp": None},
            {"externalId": 5},
            {"externalId": "\x00"},
            {"externalId": CANARY * 500},
        ):
            self._cookies.append(session_cookie(SECRET, app_url, "odd", **claims))
        self._bodies: dict[str, Callable[[], tuple[bytes, bytes]]] = {
            "/api/sessions": self._upload,
            "/api/internal/process": lambda: (b"application/json", self._message()),
            "/api/internal/process-failed": lambda: (b"application/json", self._callback()),
        }

    def next(self) -> Request:
        """The next request."""
        values = self.values
        route = values.random.choice([*self._routes, "unknown"])
        usual = "POST" if route in self._bodies or "internal" in route or "complete" in route else "GET"
        method = usual if values.chance(0.8) else values.random.choice(METHODS)
        path = self._path(route)
        content_type, body = self._bodies.get(route, lambda: (b"application/json", b"{}"))()
        if values.chance(0.3):
            body = values.broken(body)
        headers = [b"Host: x", b"Connection: close", b"Content-Type: " + content_type, *self._headers()]
        if "internal" in route:
            headers += self._signed(route, body)
        elif values.chance(0.95):
            headers.append(b"Cookie: " + self._cookie())
        announced = len(body) if values.chance(0.95) else len(body) + values.random.randrange(1, 5_000)
        head = [f"{method} ".encode() + path + b" HTTP/1.1", *headers, b"Content-Length: %d" % announced, b"", b""]
        data, whole = b"\r\n".join(head) + body, announced == len(body)
        return (
            Request(route, method, values.broken(data), False)
            if values.chance(0.05)
            else Request(route, method, data, whole)
        )

    def _path(self, route: str) -> bytes:
        values = self.values
        known = self.sessions and values.chance(0.7)
        session_id = (
            values.random.choice(self.sessions[-20:])
            if known
            else quote(values.text()[:2_000], safe="%.'", errors="replace")
        )
        path = (
            route.replace("{session_id}", session_id)
            if route != "unknown"
            else "/" + quote(values.text()[:2_000], errors="replace")
        )
        if values.chance(0.3):
            query = [f"{name}={quote(values.text()[:500], errors='replace')}" for name in ("page", "limit", CANARY)]
            path += "?" + "&".join(values.random.sample(query, 2))
        return path.encode()

    def _headers(self) -> list[bytes]:
        names = (
            b"Origin",
            b"X-Forwarded-Host",
            b"X-Request-Id",
            b"Sec-Fetch-Site",
            b"Accept",
            b"Upstash-Retried",
            b"Expect",
        )
        return [name + b": " + self.values.header() for name in names if self.values.chance(0.05)]

    def _cookie(self) -> bytes:
        values = self.values
        usual = values.chance(0.9)
        name, _, token = values.random.choice(self._cookies[:USERS] if usual else self._cookies[USERS:]).partition("=")
        if values.chance(0.8):
            return f"{name}={token}".encode()
        pieces = [f"{name}.{n}={token[n * 50 : n * 50 + 50]}".encode() for n in range(len(token) // 50 + 1)]
        values.random.shuffle(pieces)
        return values.random.choice(
            [b"; ".join(pieces)] * 2 + [name.encode() + b"=" + values.header(), values.header()]
        )

    def _signed(self, route: str, body: bytes) -> list[bytes]:
        if self.values.chance(0.1):
            return [b"Upstash-Signature: " + self.values.header()]
        signature = self._world.keys.sign(self._world.settings.app_url + route, body)
        identity = self.values.random.choice([b"msg_1", CANARY.encode()])
        return [b"Upstash-Signature: " + signature.encode(), b"Upstash-Message-Id: " + identity]

    def _message(self) -> bytes:
        values = self.values
        known = self.sessions and values.chance(0.8)
        return json.dumps({"sessionId": values.random.choice(self.sessions[-20:]) if known else values.json()}).encode()

    def _callback(self) -> bytes:
        values = self.values
        source = base64.b64encode(values.broken(self._message()) if values.chance(0.2) else self._message()).decode()
        callback = {"status": 500, "sourceBody": source, "dlqId": CANARY}
        return json.dumps(
            callback | ({values.random.choice([*callback]): values.json()} if values.chance(0.3) else {})
        ).encode()

    def _upload(self) -> tuple[bytes, bytes]:
        values = self.values
        if values.chance(0.3):
            announced: dict[str, Any] = {"contentType": "audio/webm", "size": 100, "duration": 5, "topic": CANARY}
            for name in [*announced, CANARY]:
                if values.chance(0.15):
                    announced[name] = values.json()
            return b"application/json", json.dumps(announced).encode()
        return self._form()

    def _form(self) -> tuple[bytes, bytes]:
        values = self.values
        boundary = b"b" if values.chance(0.9) else values.header()[:80]
        fields = {"duration": "5", "topic": CANARY, "language": "en", CANARY: CANARY}
        fields |= {name: values.text() for name in fields if values.chance(0.2)}
        parts = [(f'name="{name}"', value.encode("utf-8", "replace")) for name, value in fields.items()]
        kind = "audio/webm" if values.chance(0.8) else values.header().decode("latin-1")
        sound = CANARY.encode() * values.random.choice((0, 1, 100, 1000))
        parts.append((f'name="audio"; filename="{CANARY}"\r\nContent-Type: {kind}', sound))
        values.random.shuffle(parts)
        body = b""
        for head, value in parts[: values.random.choice((1, 3, 9, 9, 9, 9))]:
            disposition = b"Content-Disposition: form-data; " + head.encode("latin-1", "replace")
            body += b"--" + boundary + b"\r\n" + disposition + b"\r\n\r\n" + value + b"\r\n"
        return b"multipart/form-data; boundary=" + boundary, body + b"--" + boundary + b"--\r\n"
