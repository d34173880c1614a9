"""Forwards requests to the application and streams its answers back, so that page and API share one origin.

Uses aiohttp because it reads the answer while it is still sending the body: an application that rejects a body
(408, 413, 429) answers before it has received all of it.
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
# Headers for one connection, which a proxy does not forward: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect")
)
# The application ends every delivery within its lease, so an answer takes no longer than that.
ANSWER_TIMEOUT_S = float(os.environ.get("PROCESSING_LEASE_SECONDS") or 330)
TIMEOUT = ClientTimeout(total=None, sock_connect=5, sock_read=ANSWER_TIMEOUT_S)
# aiohttp would add these headers if the browser did not send them.
NOT_ADDED = ("accept", "accept-encoding", "content-type", "user-agent")


class Proxy:
    """Forwards requests to the application at ``app_url``. An asynchronous context manager."""

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

    async def forward(self, request: Request) -> Response:
        """Return the application's answer to ``request``. Raises aiohttp.ClientError if there is none."""
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
        response = StreamingResponse(_chunks(answer), answer.status)
        response.raw_headers = _end_to_end(answer.raw_headers)
        if answer.headers.get("connection", "").lower() == "close":
            # Like the application, do not read the rest of a rejected body.
            response.raw_headers.append((b"connection", b"close"))
        return response


async def _chunks(answer: ClientResponse) -> AsyncGenerator[bytes]:
    # As received, without decompressing them.
    async with answer:
        async for chunk in answer.content.iter_any():
            yield chunk


def _end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP]
