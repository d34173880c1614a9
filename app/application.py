"""The map of the service: its routes, its error handlers, its lifespan."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import AppError
from app.services import OpenServices, open_services
from app.settings import Settings
from app.web import callbacks, health, process, sessions
from app.web.errors import on_app_error, on_http_error
from app.web.middleware import RequestBoundary
from app.web.origin import OriginGuard, with_cors
from app.web.state import State

Endpoint = Callable[[Request[State]], Awaitable[Response]]


def create_app(settings: Settings, open_services: OpenServices = open_services) -> ASGIApp:
    """The ASGI application. Opens nothing before its lifespan starts."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[State, None]:
        async with open_services(settings) as services:
            yield {"settings": settings, "services": services}

    app = Starlette(
        routes=[
            Route("/api/sessions", ByMethod(GET=sessions.list_, POST=sessions.create)),
            Route("/api/sessions/{session_id}", ByMethod(GET=sessions.show, DELETE=sessions.delete)),
            Route("/api/sessions/{session_id}/complete", ByMethod(POST=sessions.complete)),
            Route("/api/internal/process", ByMethod(POST=process.process)),
            Route("/api/internal/process-failed", ByMethod(POST=callbacks.process_failed)),
            Route("/api/internal/sweep", ByMethod(POST=callbacks.sweep)),
            Route("/api/health", ByMethod(GET=health.alive)),
            Route("/api/health/ready", ByMethod(GET=health.ready)),
        ],
        exception_handlers={AppError: on_app_error, HTTPException: on_http_error},
        lifespan=lifespan,
    )
    # /api/sessions/ is unknown, not a redirect.
    app.router.redirect_slashes = False
    return RequestBoundary(with_cors(OriginGuard(app, settings), settings))


class ByMethod:
    """One endpoint for several methods of a path; any other is 405 with an Allow header that names them all."""

    def __init__(self, **endpoints: Endpoint) -> None:
        self._endpoints = endpoints | ({"HEAD": endpoints["GET"]} if "GET" in endpoints else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request[State](scope, receive, send)
        endpoint = self._endpoints.get(request.method)
        if endpoint is None:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(self._endpoints))})
        response = await endpoint(request)
        await response(scope, receive, send)
