"""Passes requests on to the application and its answers back, piece by piece, so that page and API share one origin."""

import os
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Self

import httpx
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
# They belong to one connection, not to the message: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect")
)
# A delivery takes as long as the application may work on it, which ends it itself: its lease says how long at most.
ANSWER_TIMEOUT_S = float(os.environ.get("PROCESSING_LEASE_SECONDS") or 330)
TIMEOUT = httpx.Timeout(ANSWER_TIMEOUT_S, connect=5)
CLIENT_CLOSED_REQUEST = 499


class Proxy:
    """The way to the application at ``app_url``. An asynchronous context manager."""

    def __init__(self, app_url: str) -> None:
        self._target = httpx.URL(app_url)
        self._client = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def pass_through(self, request: Request) -> Response:
        """The application's answer to ``request``. Raises httpx.TransportError if there is none."""
        raw_path: bytes = request.scope["raw_path"]
        query: bytes = request.scope["query_string"]
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        outgoing = self._client.build_request(
            request.method,
            self._target.copy_with(raw_path=raw_path + (b"?" + query if query else b"")),
            headers=_end_to_end(request.headers.raw, without=b"host"),
            content=request.stream() if has_body else None,
        )
        try:
            answer = await self._client.send(outgoing, stream=True)
        except ClientDisconnect:
            # The learner cancelled the upload: nobody is there to read this.
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        response = StreamingResponse(_pieces(answer), answer.status_code)
        response.raw_headers = _end_to_end(answer.headers.raw, without=b"")
        return response


async def _pieces(answer: httpx.Response) -> AsyncGenerator[bytes]:
    try:
        # As they came over the wire, still compressed where they were.
        async for piece in answer.aiter_raw():
            yield piece
    finally:
        await answer.aclose()


def _end_to_end(headers: list[tuple[bytes, bytes]], *, without: bytes) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP and name.lower() != without]
