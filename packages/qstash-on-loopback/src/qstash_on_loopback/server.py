"""The HTTP surface of the local QStash, as a map: https://upstash.com/docs/qstash/api/messages and its neighbours."""

import hmac
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from qstash_on_loopback.delivery import Dispatcher
from qstash_on_loopback.message import Refusal
from qstash_on_loopback.routes import dead_letters, keys, messages, publish, schedules
from qstash_on_loopback.schedules import Schedules
from qstash_on_loopback.service import NOT_HERE, Options, Service, error
from qstash_on_loopback.signing import Keys
from qstash_on_loopback.store import Store

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
ELSEWHERE = ("batch", "enqueue", "queues", "topics", "flowControl", "globalParallelism", "workflows", "llm")


def create_app(options: Options) -> ASGIApp:
    """The ASGI application; all its memory begins with its lifespan."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None, None]:
        signing, store = Keys(), Store(time_scale=options.time_scale)
        dispatcher = Dispatcher(signing, store, time_scale=options.time_scale, hosts=options.hosts)
        app.state.service = Service(
            options, signing, store, dispatcher, Schedules(dispatcher.accept, options.time_scale)
        )
        yield
        app.state.service.schedules.close()
        await dispatcher.aclose()

    routes = [
        Route("/v2/publish/{destination:path}", publish.publish, methods=METHODS),
        Route("/v2/keys", keys.get, methods=["GET"]),
        Route("/v2/keys/rotate", keys.rotate, methods=["POST"]),
        Route("/v2/messages", messages.cancel_many, methods=["DELETE"]),
        Route("/v2/messages/{id}", messages.get, methods=["GET"]),
        Route("/v2/messages/{id}", messages.cancel, methods=["DELETE"]),
        Route("/v2/events", messages.events, methods=["GET"]),
        Route("/v2/logs", messages.events, methods=["GET"]),
        Route("/v2/flowControl", messages.flow_controls, methods=["GET"]),
        Route("/v2/flowControl/{key}", messages.flow_control, methods=["GET"]),
        Route("/v2/dlq", dead_letters.list_page, methods=["GET"]),
        Route("/v2/dlq", dead_letters.delete_many, methods=["DELETE"]),
        Route("/v2/dlq/retry", dead_letters.retry_many, methods=["POST"]),
        Route("/v2/dlq/retry/{id}", dead_letters.retry, methods=["POST"]),
        Route("/v2/dlq/{id}", dead_letters.get, methods=["GET"]),
        Route("/v2/dlq/{id}", dead_letters.delete, methods=["DELETE"]),
        Route("/v2/schedules", schedules.list_all, methods=["GET"]),
        Route("/v2/schedules/{id}", schedules.get, methods=["GET"]),
        Route("/v2/schedules/{id}", schedules.delete, methods=["DELETE"]),
        Route("/v2/schedules/{id}/{action:path}", schedules.pause_or_resume, methods=["PATCH"]),
        Route("/v2/schedules/{destination:path}", schedules.create, methods=["POST"]),
        *(Route(f"/v2/{name}{{rest:path}}", elsewhere, methods=METHODS) for name in ELSEWHERE),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={Refusal: refused, HTTPException: unknown})
    return _Authorized(app, options.token)


class _Authorized:
    """Refuses requests without the token, in the header or in the query."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            in_header = request.headers.get("authorization", "").removeprefix("Bearer ")
            given = in_header or request.query_params.get("qstash_token", "")
            if not hmac.compare_digest(given.encode("utf-8", "replace"), self._token):
                await error(401, "unable to authenticate: invalid token")(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def refused(_request: Request, refusal: Exception) -> Response:
    """Answer a Refusal."""
    assert isinstance(refusal, Refusal)
    return error(refusal.status, refusal.error)


async def unknown(_request: Request, problem: Exception) -> Response:
    """Answer an unknown path or method."""
    assert isinstance(problem, HTTPException)
    return error(problem.status_code, "not found" if problem.status_code == 404 else str(problem.detail))


async def elsewhere(request: Request) -> Response:
    """Answer for what this server leaves out."""
    return error(501, f"{request.url.path} is {NOT_HERE}")
