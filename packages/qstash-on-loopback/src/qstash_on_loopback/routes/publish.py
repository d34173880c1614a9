"""Publishes a message, a message through a queue, or a batch: https://upstash.com/docs/qstash/api/publish"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstash_on_loopback.message import Refusal
from qstash_on_loopback.requests import MAX_BODY_BYTES, as_list, as_object, error, header_values, parse_json, read_body
from qstash_on_loopback.service import service

# Room for several messages of the maximum size.
MAX_BATCH_BYTES = 16 * MAX_BODY_BYTES


async def publish(request: Request) -> Response:
    """Publish to a URL or a URL group."""
    return await _publish(request, "/v2/publish/", None)


async def enqueue(request: Request) -> Response:
    """Publish through a queue. Creates the queue if it is new."""
    queue = request.path_params["queue"]
    return await _publish(request, f"/v2/enqueue/{queue}/", queue)


async def batch(request: Request) -> Response:
    """Publish several messages. A refused message has an error in its place; the others are still published."""
    items = as_list(parse_json(await read_body(request, MAX_BATCH_BYTES), "a list of messages"))
    if items is None:
        raise Refusal(400, "expected a list of messages")
    publisher, ip = service(request).publisher, caller_ip(request)
    answers: list[Any] = []
    for item in items:
        try:
            answers.append(publisher.publish(**_batch_item(item), caller_ip=ip))
        except Refusal as refusal:
            answers.append({"error": refusal.error})
    return JSONResponse(answers)


async def not_available(request: Request) -> Response:
    """Refuse a request that would call a provider's API."""
    return error(501, f"{request.url.path} is not available: this server does not call provider APIs")


def options(request: Request) -> Mapping[str, str]:
    """The options of a request, with lower-case names: its headers and its query parameters."""
    in_query = {key.lower(): value for key, value in request.query_params.items() if _is_option(key)}
    return {**dict(request.headers), **in_query}


def destination(request: Request, prefix: str) -> str:
    """The destination in the path of a request, exactly as sent, with the query parameters that belong to it."""
    root = request.scope.get("root_path", "")
    raw = request.scope.get("raw_path") or quote(request.scope["path"], safe="/:%").encode()
    url = raw.decode("ascii").split("?")[0][len(quote(root)) + len(prefix) :]
    if url.lower().startswith(("http%3a", "https%3a")):
        url = unquote(url)
    # The query is filtered without decoding it, because the signature covers the exact address.
    pieces = request.scope["query_string"].decode("ascii").split("&")
    own = "&".join(piece for piece in pieces if piece and not _is_option(unquote(piece.split("=")[0])))
    return url + ("?" + own if own else "")


def caller_ip(request: Request) -> str:
    """The IP address of the publisher."""
    return request.client.host if request.client else "127.0.0.1"


async def _publish(request: Request, prefix: str, queue: str | None) -> Response:
    body = await read_body(request)
    answer = service(request).publisher.publish(
        destination(request, prefix), options(request), body, caller_ip=caller_ip(request), queue=queue
    )
    every = as_list(answer) or [answer]
    return JSONResponse(answer, 202 if all(one.get("deduplicated") for one in every) else 200)


def _batch_item(item: Any) -> dict[str, Any]:
    given = as_object(item) or {}
    destination, body, queue = given.get("destination"), given.get("body"), given.get("queue")
    headers = header_values(given.get("headers") or {})
    if not isinstance(destination, str):
        raise Refusal(400, "a message of a batch needs a destination")
    if headers is None or not isinstance(body, str | None) or not isinstance(queue, str | None):
        raise Refusal(400, "headers must be an object, and body and queue must be strings")
    content = (body or "").encode()
    if len(content) > MAX_BODY_BYTES:
        raise Refusal(413, f"message body is larger than {MAX_BODY_BYTES} bytes")
    return {"destination": destination, "headers": headers, "body": content, "queue": queue or None}


def _is_option(key: str) -> bool:
    return key == "qstash_token" or key.lower().startswith("upstash-")
