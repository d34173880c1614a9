"""The outermost layer: one log line for each request, and an answer for what nothing else caught."""

import time

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import clear_contextvars

from app.errors import AppError
from app.web.errors import error_response

log = structlog.get_logger()


class RequestBoundary:
    """Pure ASGI, so that values bound by an endpoint are still bound when its request is logged here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        clear_contextvars()
        started = time.perf_counter()
        status = 0

        async def noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting_status)
        except ClientDisconnect:
            log.info("client_left")
        except Exception as error:
            # Its text may hold anything, so only its type is written down.
            log.error("request_crashed", error=type(error).__name__)
            if not status:
                await error_response(AppError())(scope, receive, noting_status)
        finally:
            took_ms = round((time.perf_counter() - started) * 1000)
            log.info("request_answered", method=scope["method"], route=_route(scope), status=status, took_ms=took_ms)


def _route(scope: Scope) -> str:
    # The path of a request that matched no route may hold anything.
    return scope["path"] if "endpoint" in scope else "unknown"
