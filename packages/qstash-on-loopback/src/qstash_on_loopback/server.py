"""The HTTP routes: https://upstash.com/docs/qstash/api/messages and the neighbouring pages."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from qstash_on_loopback.access import AccessControl
from qstash_on_loopback.message import Refusal
from qstash_on_loopback.requests import error
from qstash_on_loopback.routes import (
    clock,
    dlq,
    flow_control,
    keys,
    messages,
    page,
    publish,
    queues,
    schedules,
    url_groups,
)
from qstash_on_loopback.service import Options, Service

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
ROUTES: list[BaseRoute] = [
    Route("/", page.page, methods=["GET"]),
    Route("/__state", page.state, methods=["GET"]),
    Route("/__clock", clock.get, methods=["GET"]),
    Route("/__clock", clock.advance, methods=["POST"]),
    Route("/v2/publish/{destination:path}", publish.publish, methods=["POST"]),
    Route("/v2/enqueue/{queue}/{destination:path}", publish.enqueue, methods=["POST"]),
    Route("/v2/batch", publish.batch, methods=["POST"]),
    Route("/v2/llm/{rest:path}", publish.not_available, methods=METHODS),
    Route("/v2/keys", keys.get, methods=["GET"]),
    Route("/v2/keys/rotate", keys.rotate, methods=["POST"]),
    Route("/v2/messages", messages.cancel_many, methods=["DELETE"]),
    Route("/v2/messages/{id}", messages.get, methods=["GET"]),
    Route("/v2/messages/{id}", messages.cancel, methods=["DELETE"]),
    Route("/v2/events", messages.events, methods=["GET"]),
    Route("/v2/logs", messages.events, methods=["GET"]),
    Route("/v2/queues", queues.list_all, methods=["GET"]),
    Route("/v2/queues", queues.upsert, methods=["POST"]),
    Route("/v2/queues/", queues.upsert, methods=["POST"]),
    Route("/v2/queues/{name}", queues.get, methods=["GET"]),
    Route("/v2/queues/{name}", queues.delete, methods=["DELETE"]),
    Route("/v2/queues/{name}/{action}", queues.pause_or_resume, methods=["POST"]),
    Route("/v2/topics", url_groups.list_all, methods=["GET"]),
    Route("/v2/topics/{name}", url_groups.get, methods=["GET"]),
    Route("/v2/topics/{name}", url_groups.delete, methods=["DELETE"]),
    Route("/v2/topics/{name}", url_groups.set_headers, methods=["PATCH"]),
    Route("/v2/topics/{name}/endpoints", url_groups.add_endpoints, methods=["POST"]),
    Route("/v2/topics/{name}/endpoints", url_groups.remove_endpoints, methods=["DELETE"]),
    Route("/v2/flowControl", flow_control.list_all, methods=["GET"]),
    Route("/v2/flowControl/{key:path}", flow_control.get, methods=["GET"]),
    Route("/v2/flowControl/{key:path}/{action}", flow_control.administer, methods=["POST"]),
    Route("/v2/globalParallelism", flow_control.global_parallelism, methods=["GET"]),
    Route("/v2/dlq", dlq.list_page, methods=["GET"]),
    Route("/v2/dlq", dlq.delete_many, methods=["DELETE"]),
    Route("/v2/dlq/retry", dlq.retry_many, methods=["POST"]),
    Route("/v2/dlq/retry/{id}", dlq.retry, methods=["POST"]),
    Route("/v2/dlq/{id}", dlq.get, methods=["GET"]),
    Route("/v2/dlq/{id}", dlq.delete, methods=["DELETE"]),
    Route("/v2/schedules", schedules.list_all, methods=["GET"]),
    Route("/v2/schedules/{id}", schedules.get, methods=["GET"]),
    Route("/v2/schedules/{id}", schedules.delete, methods=["DELETE"]),
    Route("/v2/schedules/{id}/{action:path}", schedules.pause_or_resume, methods=["PATCH"]),
    Route("/v2/schedules/{destination:path}", schedules.create, methods=["POST"]),
]


class App:
    """The server as an ASGI application. It starts with its lifespan, or with the first request if it is mounted.

    Raises StoreError or OSError if a file named in the options cannot be used.
    """

    def __init__(self, options: Options | None = None) -> None:
        options = options or Options()
        self.service = Service(options)
        handlers = {Refusal: _refused, HTTPException: _http_error}
        app = Starlette(routes=ROUTES, lifespan=self._lifespan, exception_handlers=handlers)
        app.state.service = self.service
        self._app: ASGIApp = AccessControl(app, options.token, options.allowed_hosts, public=frozenset(["/"]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.service.start()
        await self._app(scope, receive, send)

    @asynccontextmanager
    async def lifespan(self) -> AsyncGenerator[None, None]:
        """Deliver messages inside the block. Use it as the lifespan of the application that this one is mounted in."""
        self.service.start()
        try:
            yield
        finally:
            await self.service.aclose()

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncGenerator[None, None]:
        async with self.lifespan():
            yield


def create_app(options: Options | None = None) -> App:
    """Create the ASGI application. Raises StoreError or OSError if a file named in the options cannot be used."""
    return App(options)


async def _refused(_request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    return error(refusal.status, refusal.error)


async def _http_error(_request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    return error(problem.status_code, "not found" if problem.status_code == 404 else str(problem.detail))
