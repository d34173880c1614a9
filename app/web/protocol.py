"""uvicorn's HTTP protocol with limits on the head of a request, and our error body for requests that uvicorn itself refuses.

``uvicorn --http app.web.protocol:BoundedProtocol``. It needs httptools, which the ``server`` extra installs. Without it
use uvicorn's h11 with ``--h11-max-incomplete-event-size 32768``; invalid HTTP is then answered in plain text.
"""

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.errors import AppError
from app.refusals import HeadersTooLarge, InvalidRequest, RequestTimeout
from app.web.errors import error_response
from app.web.middleware import MAX_HEADER_BYTES


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections whose head is too long or does not arrive in time; uvicorn itself would wait forever."""

    # From the start of the connection, or the previous answer, to the end of the headers. Also for the rest of a refused body.
    head_timeout_s = 20.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._in_head, self._only_head, self._head_bytes = True, True, 0
        self._timer = self.loop.call_later(self.head_timeout_s, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        # Count only data that is head from its first byte to its last: other data may also contain a body, or whole requests.
        self._only_head = self._in_head
        super().data_received(data)
        if self._only_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEADER_BYTES:
                self._refuse(HeadersTooLarge())

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._in_head, self._only_head, self._head_bytes = False, False, 0
        self._timer.cancel()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._expect_head()

    def send_400_response(self, msg: str) -> None:
        self._refuse(InvalidRequest())

    def _expect_head(self) -> None:
        self._timer.cancel()
        if not self.transport.is_closing():
            self._timer = self.loop.call_later(self.head_timeout_s, self._give_up)

    def _give_up(self) -> None:
        if self._is_answering:
            return  # the end of that answer restarts the timer
        if self._head_bytes and not self.transport.is_closing():
            self._refuse(RequestTimeout())
        else:
            self.transport.close()

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def _refuse(self, error: AppError) -> None:
        if self._is_answering and self.cycle.response_started:
            self.transport.close()
            return
        answer = error_response(error)
        answer.headers["connection"] = "close"
        lines = [f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}".encode()]
        lines += [name + b": " + value for name, value in answer.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()
