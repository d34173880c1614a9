"""Request parsing and error responses, shared by all endpoints."""

import json
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse

from qstash_on_loopback.message import Refusal

# "1 MB" on the free plan: https://upstash.com/pricing/qstash
MAX_BODY_BYTES = 1024 * 1024


def error(status: int, text: str) -> JSONResponse:
    """An error response in QStash's format."""
    return JSONResponse({"error": text}, status)


async def read_body(request: Request, limit: int = MAX_BODY_BYTES) -> bytes:
    """Read the body. Raises Refusal if it is larger than the limit."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise Refusal(413, f"message body is larger than {limit} bytes")
    return bytes(body)


def parse_json(body: bytes, expected: str) -> Any:
    """Parse a body as JSON. Raises Refusal with a message that says what was ``expected``."""
    try:
        value = json.loads(body)
        if b"\\ud" in body.lower():
            # A lone surrogate could be stored but never returned, because it cannot be encoded.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Refusal(400, f"the body is not valid JSON: expected {expected}") from None
    return value


async def read_object(request: Request, expected: str) -> dict[str, Any]:
    """Read the body as a JSON object. Raises Refusal."""
    value = parse_json(await read_body(request), expected)
    if not isinstance(value, dict):
        raise Refusal(400, f"expected {expected}")
    return cast("dict[str, Any]", value)


def as_object(value: Any) -> dict[str, Any] | None:
    """The value if it is a JSON object, else None."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_list(value: Any) -> list[Any] | None:
    """The value if it is a JSON list, else None."""
    return cast("list[Any]", value) if isinstance(value, list) else None


def header_values(value: Any) -> dict[str, str] | None:
    """Headers from a JSON object, with lower-case names and the first value of each list. None if it is no object."""
    given = as_object(value)
    if given is None:
        return None
    return {name.lower(): str(((as_list(one) or [one]) or [""])[0]) for name, one in given.items()}


async def named_ids(request: Request, name: str) -> list[str] | None:
    """The ids in a bulk request, or None if it contains none.

    The Python SDK sends them in the body, the JavaScript SDK in the query.
    """
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
