"""The outermost layer: a request id, one log line per request, and an answer for exceptions that nothing else caught."""

import asyncio
import re
import time
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from app import telemetry
from app.errors import AppError
from app.refusals import HeadersTooLarge
from app.web.errors import error_response

log = structlog.get_logger()

# The session cookie has up to 4 KB for each chunk, and few browsers send more than 16 KB in all.
MAX_HEADER_BYTES = 32 * 1024
# What nginx logs for a client that closed the connection. Only logged, never sent.
CLIENT_LEFT_STATUS = 499
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestBoundary:
    """Pure ASGI, so that values bound by an endpoint are still bound when its request is logged here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = request_id_of(headers.get("x-request-id", ""))
        clear_contextvars()
        bind_contextvars(request_id=request_id)
        with telemetry.active.request(headers.get("traceparent", "")):
            await self._observed(scope, receive, send, request_id)

    async def _observed(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        status = 0

        async def noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                # Browsers must not sniff another type, whatever text a learner has put into the JSON.
                MutableHeaders(scope=message).update({"x-request-id": request_id, "x-content-type-options": "nosniff"})
                if telemetry.active.on:
                    # Before the answer is sent: the platform may freeze the process right after it.
                    telemetry.active.end_request(_method(scope), _route(scope), status)
                    if scope["method"] == "POST":
                        await telemetry.active.flush()
            await send(message)

        try:
            refused = head_bytes(scope) > MAX_HEADER_BYTES
            await (error_response(HeadersTooLarge()) if refused else self._app)(scope, receive, noting_status)
        except ClientDisconnect:
            log.info("client_left")
            status = status or CLIENT_LEFT_STATUS
        except (Exception, asyncio.CancelledError) as error:
            # Its message may contain private text, so only its type is logged.
            log.error("request_crashed", error=type(error).__name__)
            if not status:
                await error_response(AppError())(scope, receive, noting_status)
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            took_ms = round((time.perf_counter() - started) * 1000)
            method, route = _method(scope), _route(scope)
            telemetry.active.end_request(method, route, status)
            log.info("request_answered", method=method, route=route, status=status, took_ms=took_ms)


def request_id_of(given: str) -> str:
    """The caller's ``X-Request-Id`` if it is short and plain, else a new one."""
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


def head_bytes(scope: Scope) -> int:
    """The approximate size of the request line and headers."""
    headers = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    return headers + len(scope.get("raw_path") or b"") + len(scope["query_string"])


def _method(scope: Scope) -> str:
    # An unknown method could contain anything.
    return (
        scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "other"
    )


def _route(scope: Scope) -> str:
    # The template: a caller's path could contain anything.
    route = scope.get("route")
    if route is None:
        route = next((each for each in scope["app"].routes if each.matches(scope)[0] is not Match.NONE), None)
    return route.path if isinstance(route, Route) else "unknown"
