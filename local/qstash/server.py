"""The HTTP surface of the local QStash: https://upstash.com/docs/qstash/api/messages and its neighbours."""

import hashlib
import ipaddress
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from local.qstash import listing
from local.qstash.courier import Courier
from local.qstash.ledger import Ledger
from local.qstash.message import Refusal, read_message
from local.qstash.schedules import Schedules
from local.qstash.signing import TOKEN, Keys

# "1 MB" on the free plan: https://upstash.com/pricing/qstash
MAX_BODY_BYTES = 1024 * 1024
NOT_HERE = "not part of this local server; use the official CLI (npx @upstash/qstash-cli dev) for it"


@dataclass(frozen=True)
class Options:
    """How the server differs from the real one: faster, or with other hosts."""

    time_scale: float = 1.0
    any_destination: bool = False
    hosts: Mapping[str, str] = field(default_factory=dict[str, str])
    token: str = TOKEN


@dataclass
class Office:
    """The server's parts."""

    options: Options
    keys: Keys
    ledger: Ledger
    courier: Courier
    schedules: Schedules


def create_app(options: Options) -> ASGIApp:
    """The ASGI application; all its memory begins with its lifespan."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None, None]:
        keys, ledger = Keys(), Ledger(time_scale=options.time_scale)
        courier = Courier(keys, ledger, time_scale=options.time_scale, hosts=options.hosts)
        app.state.office = Office(options, keys, ledger, courier, Schedules(courier.accept, options.time_scale))
        yield
        app.state.office.schedules.close()
        await courier.aclose()

    routes = [
        Route("/v2/publish/{destination:path}", publish, methods=["POST", "PUT", "PATCH", "GET", "DELETE"]),
        Route("/v2/keys", keys_get, methods=["GET"]),
        Route("/v2/keys/rotate", keys_rotate, methods=["POST"]),
        Route("/v2/messages", messages_cancel, methods=["DELETE"]),
        Route("/v2/messages/{id}", message_get, methods=["GET"]),
        Route("/v2/messages/{id}", message_cancel, methods=["DELETE"]),
        Route("/v2/events", events, methods=["GET"]),
        Route("/v2/logs", events, methods=["GET"]),
        Route("/v2/dlq", dlq_list, methods=["GET"]),
        Route("/v2/dlq", dlq_delete_many, methods=["DELETE"]),
        Route("/v2/dlq/retry", dlq_retry, methods=["POST"]),
        Route("/v2/dlq/retry/{id}", dlq_retry, methods=["POST"]),
        Route("/v2/dlq/{id}", dlq_get, methods=["GET"]),
        Route("/v2/dlq/{id}", dlq_delete, methods=["DELETE"]),
        Route("/v2/schedules", schedules_list, methods=["GET"]),
        Route("/v2/schedules/{destination:path}", schedule_create, methods=["POST"]),
        Route("/v2/schedules/{id}", schedule_get, methods=["GET"]),
        Route("/v2/schedules/{id}", schedule_delete, methods=["DELETE"]),
        Route("/v2/schedules/{id}/{action:path}", schedule_pause, methods=["PATCH"]),
        *(
            Route(f"/v2/{name}{{rest:path}}", not_here, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
            for name in _ELSEWHERE
        ),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={Refusal: refused, HTTPException: unknown})
    return _Authorized(app, options.token)


_ELSEWHERE = ("batch", "enqueue", "queues", "topics", "flowControl", "globalParallelism", "workflows", "llm")


class _Authorized:
    """Refuses requests without the token, in the header or in the query."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            given = request.headers.get("authorization", "").removeprefix("Bearer ") or request.query_params.get(
                "qstash_token", ""
            )
            if given != self._token:
                await error(401, "unable to authenticate: invalid token")(scope, receive, send)
                return
        await self._app(scope, receive, send)


def office(request: Request) -> Office:
    """The server's parts, from the application's state."""
    found: Office = request.app.state.office
    return found


def error(status: int, text: str) -> JSONResponse:
    """An error in QStash's form."""
    return JSONResponse({"error": text}, status)


async def refused(_request: Request, refusal: Exception) -> Response:
    """Answer a Refusal."""
    assert isinstance(refusal, Refusal)
    return error(refusal.status, refusal.error)


async def unknown(_request: Request, problem: Exception) -> Response:
    """Answer an unknown path or method."""
    assert isinstance(problem, HTTPException)
    return error(problem.status_code, "not found" if problem.status_code == 404 else str(problem.detail))


async def not_here(request: Request) -> Response:
    """Answer for what this server leaves out."""
    return error(501, f"{request.url.path} is {NOT_HERE}")


async def publish(request: Request) -> Response:
    """Accept a message for a URL."""
    parts = office(request)
    url, headers = _destination(request, "/v2/publish/"), _options(request)
    _check_destination(url, parts.options)
    body = await _body(request)
    message = read_message(url, headers, body, request.client.host if request.client else "127.0.0.1")
    deduplication_id = _deduplication_id(headers, url, body)
    if deduplication_id:
        known = parts.ledger.known_duplicate(deduplication_id)
        if known:
            return JSONResponse({"messageId": known, "deduplicated": True}, 202)
        parts.ledger.remember(deduplication_id, message.id)
    parts.courier.accept(message)
    return JSONResponse({"messageId": message.id})


async def keys_get(request: Request) -> Response:
    """The signing keys."""
    return JSONResponse(office(request).keys.as_json())


async def keys_rotate(request: Request) -> Response:
    """Roll the signing keys."""
    keys = office(request).keys
    keys.rotate()
    return JSONResponse(keys.as_json())


async def message_get(request: Request) -> Response:
    """One message on its way."""
    message = office(request).ledger.pending.get(request.path_params["id"])
    return JSONResponse(message.as_json()) if message else error(404, "message not found")


async def message_cancel(request: Request) -> Response:
    """Cancel one message."""
    if office(request).courier.cancel(request.path_params["id"]):
        return Response(status_code=202)
    return error(404, "message not found")


async def messages_cancel(request: Request) -> Response:
    """Cancel the messages named, or all."""
    parts = office(request)
    named = await _named_ids(request, "messageIds")
    chosen = list(parts.ledger.pending) if named is None else named
    return JSONResponse({"cancelled": sum(parts.courier.cancel(one) for one in chosen)})


async def events(request: Request) -> Response:
    """Events, newest first, filtered; under both names that clients use."""
    rows = listing.matching(reversed(office(request).ledger.events), request.query_params)
    name = "logs" if request.url.path.endswith("/logs") else "events"
    return JSONResponse(listing.page(rows, name, request.query_params))


async def dlq_list(request: Request) -> Response:
    """Dead letters, newest first, filtered."""
    letters = [letter for _, letter in reversed(office(request).ledger.dead.values())]
    return JSONResponse(listing.page(listing.matching(letters, request.query_params), "messages", request.query_params))


async def dlq_get(request: Request) -> Response:
    """One dead letter."""
    found = office(request).ledger.dead.get(request.path_params["id"])
    return JSONResponse(found[1]) if found else error(404, "message not found in the dlq")


async def dlq_delete(request: Request) -> Response:
    """Forget one dead letter."""
    found = office(request).ledger.dead.pop(request.path_params["id"], None)
    return Response(status_code=200) if found else error(404, "message not found in the dlq")


async def dlq_delete_many(request: Request) -> Response:
    """Forget the dead letters named, or all that match the filters."""
    ledger = office(request).ledger
    chosen = await _letters(request)
    return JSONResponse({"deleted": sum(ledger.dead.pop(one, None) is not None for one in chosen)})


async def dlq_retry(request: Request) -> Response:
    """Publish dead letters again, each as a new message."""
    parts = office(request)
    one = request.path_params.get("id")
    if one is not None and one not in parts.ledger.dead:
        return error(404, "message not found in the dlq")
    answers: list[dict[str, str]] = []
    for dlq_id in [one] if one is not None else await _letters(request):
        message, _ = parts.ledger.dead.pop(dlq_id)
        again = message.copy()
        parts.courier.accept(again)
        answers.append({"messageId": again.id})
    return JSONResponse(answers[0] if one is not None else {"responses": answers})


async def schedules_list(request: Request) -> Response:
    """All schedules."""
    return JSONResponse([schedule.as_json() for schedule in office(request).schedules.all.values()])


async def schedule_create(request: Request) -> Response:
    """Create a schedule, or overwrite the one of the same id."""
    parts = office(request)
    action = request.path_params["destination"].rsplit("/", 1)
    if len(action) == 2 and action[1] in ("pause", "resume") and action[0] in parts.schedules.all:
        parts.schedules.all[action[0]].paused = action[1] == "pause"
        return Response(status_code=200)
    url, headers = _destination(request, "/v2/schedules/"), _options(request)
    _check_destination(url, parts.options)
    if "upstash-cron" not in headers:
        raise Refusal(400, "missing cron expression")
    template = read_message(url, headers, await _body(request))
    schedule = parts.schedules.put(headers["upstash-cron"], template, headers.get("upstash-schedule-id"))
    return JSONResponse({"scheduleId": schedule.id}, 201)


async def schedule_get(request: Request) -> Response:
    """One schedule."""
    schedule = office(request).schedules.all.get(request.path_params["id"])
    return JSONResponse(schedule.as_json()) if schedule else error(404, "schedule not found")


async def schedule_delete(request: Request) -> Response:
    """Forget a schedule."""
    return (
        Response(status_code=200)
        if office(request).schedules.remove(request.path_params["id"])
        else error(404, "schedule not found")
    )


async def schedule_pause(request: Request) -> Response:
    """Pause or resume a schedule."""
    schedule = office(request).schedules.all.get(request.path_params["id"])
    action = request.path_params["action"]
    if schedule is None or action not in ("pause", "resume"):
        return error(404, "schedule not found")
    schedule.paused = action == "pause"
    return Response(status_code=200)


async def _body(request: Request) -> bytes:
    body = await request.body()
    if len(body) > MAX_BODY_BYTES:
        raise Refusal(413, f"message body is larger than {MAX_BODY_BYTES} bytes")
    return body


async def _named_ids(request: Request, name: str) -> list[str] | None:
    # None means that nobody was named. The Python SDK names them in a body, the JavaScript one in the query.
    in_query = request.query_params.getlist(name)
    body = await request.body()
    if in_query or not body:
        return in_query or None
    try:
        named: Any = json.loads(body)[name]
    except (ValueError, TypeError, KeyError):
        return None
    return [one for one in named if isinstance(one, str)] if isinstance(named, list) else None  # pyright: ignore[reportUnknownVariableType]  # JSON


async def _letters(request: Request) -> list[str]:
    named = await _named_ids(request, "dlqIds")
    letters = office(request).ledger.dead
    if named is not None:
        return [one for one in named if one in letters]
    return [
        letter["dlqId"] for letter in listing.matching((letter for _, letter in letters.values()), request.query_params)
    ]


def _destination(request: Request, prefix: str) -> str:
    # The destination stands in the path as it is, its query string having become the request's own.
    raw = request.scope["raw_path"].decode("ascii").split("?")[0]
    url = (
        unquote(raw[len(prefix) :])
        if raw[len(prefix) :].lower().startswith(("http%3a", "https%3a"))
        else raw[len(prefix) :]
    )
    # Filtered without decoding it: the signature names the address letter by letter.
    pieces = request.scope["query_string"].decode("ascii").split("&")
    own = "&".join(piece for piece in pieces if piece and not _is_option(unquote(piece.split("=")[0])))
    return url + ("?" + own if own else "")


def _is_option(key: str) -> bool:
    return key == "qstash_token" or key.lower().startswith("upstash-")


def _options(request: Request) -> dict[str, str]:
    in_query = {key.lower(): value for key, value in request.query_params.items() if key.lower().startswith("upstash-")}
    return {**dict(request.headers), **in_query}


def _check_destination(url: str, options: Options) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        if "/" not in url and url:
            raise Refusal(501, f"URL groups are {NOT_HERE}")
        raise Refusal(400, "invalid destination url: endpoint has invalid scheme, add http:// or https://")
    if not parts.hostname:
        raise Refusal(400, "invalid destination url: endpoint has no host")
    if options.any_destination or parts.netloc in options.hosts or parts.hostname == "localhost":
        return
    try:
        if ipaddress.ip_address(parts.hostname).is_loopback:
            return
    except ValueError:
        pass
    raise Refusal(
        400,
        f"invalid destination url: {parts.hostname} is not on this machine (start with --allow-any-destination to allow it)",
    )


def _deduplication_id(headers: Mapping[str, str], url: str, body: bytes) -> str | None:
    given = headers.get("upstash-deduplication-id")
    if given:
        if ":" in given:
            raise Refusal(400, "DeduplicationId cannot contain ':'")
        return given
    if headers.get("upstash-content-based-deduplication", "").lower() != "true":
        return None
    forwarded = sorted(f"{key}={value}" for key, value in headers.items() if key.startswith("upstash-forward-"))
    content = "\n".join([url, headers.get("content-type", ""), *forwarded]).encode() + b"\n" + body
    return hashlib.sha256(content).hexdigest()
