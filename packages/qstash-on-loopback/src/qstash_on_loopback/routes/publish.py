"""Publishing to a URL: https://upstash.com/docs/qstash/api/publish"""

import hashlib
import ipaddress
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstash_on_loopback.message import Message, Refusal
from qstash_on_loopback.publish_options import read_message
from qstash_on_loopback.service import NOT_HERE, Options, read_body, service


async def publish(request: Request) -> Response:
    """Accept a message, unless one with its deduplication id was accepted within the window."""
    parts = service(request)
    message, headers = await requested(request, "/v2/publish/")
    deduplication_id = _deduplication_id(headers, message)
    if deduplication_id:
        known = parts.store.known_duplicate(deduplication_id)
        if known:
            return JSONResponse({"messageId": known, "deduplicated": True}, 202)
        parts.store.remember(deduplication_id, message.id)
    parts.dispatcher.accept(message)
    return JSONResponse({"messageId": message.id})


async def requested(request: Request, prefix: str) -> tuple[Message, Mapping[str, str]]:
    """The message that a request asks for, and its options: headers, or parameters of the query. Raises Refusal."""
    in_query = {key.lower(): value for key, value in request.query_params.items() if key.lower().startswith("upstash-")}
    headers = {**dict(request.headers), **in_query}
    url = _destination(request, prefix)
    options = service(request).options
    _check_destination(url, options)
    caller_ip = request.client.host if request.client else "127.0.0.1"
    message = read_message(url, headers, await read_body(request), caller_ip)
    for callback in (message.callback, message.failure_callback):
        if callback:
            _check_destination(callback.url, options)
    return message, headers


def _destination(request: Request, prefix: str) -> str:
    # The destination stands in the path as it is, its query string having become the request's own.
    url = request.scope["raw_path"].decode("ascii").split("?")[0][len(prefix) :]
    if url.lower().startswith(("http%3a", "https%3a")):
        url = unquote(url)
    # Filtered without decoding it: the signature names the address letter by letter.
    pieces = request.scope["query_string"].decode("ascii").split("&")
    own = "&".join(piece for piece in pieces if piece and not _is_option(unquote(piece.split("=")[0])))
    return url + ("?" + own if own else "")


def _is_option(key: str) -> bool:
    return key == "qstash_token" or key.lower().startswith("upstash-")


def _check_destination(url: str, options: Options) -> None:
    try:
        parts = urlsplit(url)
        hostname, _ = parts.hostname, parts.port
    except ValueError:
        raise Refusal(400, "invalid destination url: it cannot be parsed") from None
    if parts.scheme not in ("http", "https"):
        if url and not {"/", ":", "."} & set(url):
            raise Refusal(501, f"a URL group is {NOT_HERE}")
        raise Refusal(400, "invalid destination url: endpoint has invalid scheme, add http:// or https://")
    if not hostname:
        raise Refusal(400, "invalid destination url: endpoint has no host")
    if options.any_destination or parts.netloc in options.hosts or hostname == "localhost" or _is_loopback(hostname):
        return
    raise Refusal(
        400, f"invalid destination url: {hostname} is not on this machine (start with --allow-any-destination)"
    )


def _is_loopback(hostname: str) -> bool:
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False


def _deduplication_id(headers: Mapping[str, str], message: Message) -> str | None:
    given = headers.get("upstash-deduplication-id")
    if given:
        if ":" in given:
            raise Refusal(400, "DeduplicationId cannot contain ':'")
        return given
    if headers.get("upstash-content-based-deduplication", "").lower() != "true":
        return None
    # Of destination, body, type and forwarded headers: https://upstash.com/docs/qstash/features/deduplication
    forwarded = sorted(f"{name}={value}" for name, value in message.headers.items())
    content = "\n".join([message.url, *forwarded]).encode("utf-8", "replace") + b"\n" + message.body
    return "content-" + hashlib.sha256(content).hexdigest()
