"""The server's parts, and what its endpoints share."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from qstash_on_loopback.delivery import Dispatcher
from qstash_on_loopback.message import Refusal
from qstash_on_loopback.schedules import Schedules
from qstash_on_loopback.signing import TOKEN, Keys
from qstash_on_loopback.store import Store

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
class Service:
    """The server's parts."""

    options: Options
    keys: Keys
    store: Store
    dispatcher: Dispatcher
    schedules: Schedules


def service(request: Request) -> Service:
    """The server's parts, from the application's state."""
    found: Service = request.app.state.service
    return found


def error(status: int, text: str) -> JSONResponse:
    """An error in QStash's form."""
    return JSONResponse({"error": text}, status)


async def read_body(request: Request) -> bytes:
    """The body, read no further than the limit. Raises Refusal."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise Refusal(413, f"message body is larger than {MAX_BODY_BYTES} bytes")
    return bytes(body)


async def named_ids(request: Request, name: str) -> list[str] | None:
    """The ids a bulk request names: in a body from the Python SDK, in the query from the JavaScript one. None: nobody named."""
    in_query = request.query_params.getlist(name)
    body = await read_body(request)
    if in_query or not body:
        return in_query or None
    try:
        named: Any = json.loads(body)[name]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Refusal(400, f"expected {name}, a list of ids") from None
    if not isinstance(named, list):
        raise Refusal(400, f"expected {name}, a list of ids")
    return [one for one in named if isinstance(one, str)]  # pyright: ignore[reportUnknownVariableType]  # JSON
