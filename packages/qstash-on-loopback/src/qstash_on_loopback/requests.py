"""Reads requests and answers errors, for all endpoints."""

import json
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse

from qstash_on_loopback.message import Refusal

# "1 MB" on the free plan: https://upstash.com/pricing/qstash
MAX_BODY_BYTES = 1024 * 1024


def error(status: int, text: str) -> JSONResponse:
    """An error in QStash's form."""
    return JSONResponse({"error": text}, status)


async def read_body(request: Request, limit: int = MAX_BODY_BYTES) -> bytes:
    """The body, read no further than the limit. Raises Refusal."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise Refusal(413, f"message body is larger than {limit} bytes")
    return bytes(body)


def parse_json(body: bytes, expected: str) -> Any:
    """A body as JSON. Raises Refusal, which says what was ``expected``."""
    try:
        value = json.loads(body)
        if b"\\ud" in body.lower():
            # Half a surrogate pair could be stored, but never be shown again.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Refusal(400, f"the body is not valid JSON: expected {expected}") from None
    return value


async def read_object(request: Request, expected: str) -> dict[str, Any]:
    """The body as a JSON object. Raises Refusal."""
    value = parse_json(await read_body(request), expected)
    if not isinstance(value, dict):
        raise Refusal(400, f"expected {expected}")
    return cast("dict[str, Any]", value)


def as_object(value: Any) -> dict[str, Any] | None:
    """A JSON value if it is an object."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_list(value: Any) -> list[Any] | None:
    """A JSON value if it is a list."""
    return cast("list[Any]", value) if isinstance(value, list) else None


def header_values(value: Any) -> dict[str, str] | None:
    """A JSON object of headers, names in lower case; of a list of values the first. None if it is no object."""
    given = as_object(value)
    if given is None:
        return None
    return {name.lower(): str(((as_list(one) or [one]) or [""])[0]) for name, one in given.items()}


async def named_ids(request: Request, name: str) -> list[str] | None:
    """The ids a bulk request names: in a body from the Python SDK, in the query from the JavaScript one. None: nobody named."""
    if name in request.query_params:
        return [one for value in request.query_params.getlist(name) for one in value.split(",")]
    body = await read_body(request)
    if not body:
        return None
    expected = f"{name}, a list of ids"
    named = as_list((as_object(parse_json(body, expected)) or {}).get(name))
    if named is None:
        raise Refusal(400, f"expected {expected}")
    return [one for one in named if isinstance(one, str)]
