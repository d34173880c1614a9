"""Passes requests on to the application and its answers back, piece by piece, so that page and API share one origin.

By aiohttp, which reads the answer while it still sends the body: an application that refuses a body (408, 413, 429) answers
before its end.
"""

import os
from collections.abc import AsyncGenerator, Iterable
from types import TracebackType
from typing import Self

from aiohttp import ClientResponse, ClientSession, ClientTimeout, DummyCookieJar
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from yarl import URL

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
# They belong to one connection, not to the message: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect")
)
# A delivery takes as long as the application may work on it, which ends it itself: its lease says how long at most.
ANSWER_TIMEOUT_S = float(os.environ.get("PROCESSING_LEASE_SECONDS") or 330)
TIMEOUT = ClientTimeout(total=None, sock_connect=5, sock_read=ANSWER_TIMEOUT_S)
# Nothing is added that the browser did not send.
NOT_ADDED = ("accept", "accept-encoding", "content-type", "user-agent")


class Proxy:
    """The way to the application at ``app_url``. An asynchronous context manager."""

    def __init__(self, app_url: str) -> None:
        self._app_url = app_url

    async def __aenter__(self) -> Self:
        self._client = ClientSession(
            timeout=TIMEOUT,
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=NOT_ADDED,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def pass_through(self, request: Request) -> Response:
        """The application's answer to ``request``. Raises aiohttp.ClientError if there is none."""
        raw_path: bytes = request.scope["raw_path"]
        query: bytes = request.scope["query_string"]
        target = self._app_url + (raw_path + (b"?" + query if query else b"")).decode("latin-1")
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        sent = [(name, value) for name, value in _end_to_end(request.headers.raw) if name != b"host"]
        answer = await self._client.request(
            request.method,
            URL(target, encoded=True),
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in sent],
            data=request.stream() if has_body else None,
            allow_redirects=False,
        )
        response = StreamingResponse(_pieces(answer), answer.status)
        response.raw_headers = _end_to_end(answer.raw_headers)
        if answer.headers.get("connection", "").lower() == "close":
            # The rest of a body that was refused is not read here, either.
            response.raw_headers.append((b"connection", b"close"))
        return response


async def _pieces(answer: ClientResponse) -> AsyncGenerator[bytes]:
    # As they came over the wire, still compressed where they were.
    async with answer:
        async for piece in answer.content.iter_any():
            yield piece


def _end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP]
