"""Signed requests from QStash: read the body, verify it, parse the message, add its ids to the log."""

import json
import re
from typing import Any

from starlette.requests import Request
from structlog.contextvars import bind_contextvars

from app.refusals import BodyTooLarge, InvalidMessage
from app.web.state import State

# Of every body that is not an upload form. Our own messages are under 100 bytes; a failure callback quotes one, and our answer.
MAX_MESSAGE_BYTES = 64 * 1024
# Any other id could contain anything, so it is not logged.
_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


async def verified_body(request: Request[State], url: str) -> bytes:
    """Step 1: the raw body, limited in size, and verified to be signed by QStash for ``url``.

    Raises MissingSignature, InvalidSignature, NotConfigured, BodyTooLarge.
    """
    signature = request.headers.get("upstash-signature")
    body = await read_capped(request) if signature else b""
    region = request.headers.get("upstash-region", "")
    await request.state["services"].signatures.verify(signature, body, url, region)
    return body


async def read_capped(request: Request[State]) -> bytes:
    """The body, read no further than MAX_MESSAGE_BYTES. Raises BodyTooLarge."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_MESSAGE_BYTES:
            raise BodyTooLarge
    return bytes(body)


def parse_session_id(body: bytes) -> str:
    """Step 2: the id of the session that a message names. Raises InvalidMessage, because no retry can fix a malformed message."""
    try:
        message: Any = json.loads(body)
        session_id = message["sessionId"]
        if isinstance(session_id, str) and session_id and "\x00" not in session_id:
            session_id.encode()
            return session_id
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise InvalidMessage


def bind_delivery(request: Request[State], session_id: str) -> int:
    """Bind the delivery's ids to every later log line, and return how often its message was delivered before."""
    header = request.headers.get("upstash-retried", "0")
    retried = int(header) if header.isascii() and header.isdecimal() and len(header) < 6 else 0
    ids = {"session_id": session_id, "message_id": request.headers.get("upstash-message-id", "")}
    bind_contextvars(attempt=retried + 1, **{name: value for name, value in ids.items() if _ID.fullmatch(value)})
    return retried
