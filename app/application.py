"""Assembles the application: routes, middleware, error handlers and lifespan."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from app.errors import AppError
from app.services import OpenServices, open_services
from app.settings import Settings
from app.web import callbacks, health, process, sessions
from app.web.errors import on_app_error, on_http_error
from app.web.limits import BodyTimeLimits, UploadSlots
from app.web.middleware import RequestBoundary
from app.web.origin import OriginGuard, cors
from app.web.state import State

log = structlog.get_logger()


def create_app(settings: Settings, open_services: OpenServices = open_services) -> Starlette:
    """The ASGI application. Opens nothing before its lifespan starts."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[State, None]:
        uploads = UploadSlots(settings.max_uploads_per_learner)
        try:
            async with open_services(settings) as services:
                log.info("service_started")
                yield {"services": services, "uploads": uploads}
        except Exception as error:
            # Starlette reports this to uvicorn as a formatted traceback, whose text our log drops.
            log.error("lifespan_failed", error=type(error).__name__)
            raise
        log.info("service_stopped")

    app = Starlette(
        routes=[
            Route("/api/sessions", sessions.Sessions),
            Route("/api/sessions/{session_id}", sessions.Session),
            Route("/api/sessions/{session_id}/complete", sessions.complete_session, methods=["POST"]),
            Route("/api/internal/process", process.process, methods=["POST"]),
            Route("/api/internal/process-failed", callbacks.process_failed, methods=["POST"]),
            Route("/api/internal/sweep", callbacks.sweep_round, methods=["POST"]),
            Route("/api/health", health.Alive),
            Route("/api/health/ready", health.Ready),
        ],
        # From the outside in.
        middleware=[
            Middleware(RequestBoundary),
            *cors(settings),
            Middleware(OriginGuard, settings=settings),
            Middleware(BodyTimeLimits, idle_s=settings.body_idle_seconds, total_s=settings.body_timeout_seconds),
        ],
        exception_handlers={AppError: on_app_error, HTTPException: on_http_error},
        lifespan=lifespan,
    )
    # A trailing slash gets 404, not a redirect.
    app.router.redirect_slashes = False
    return app
