"""Direct uploads: ``POST /api/sessions`` with a JSON body, then ``POST /api/sessions/:id/complete``."""

import json
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response
from structlog.contextvars import bind_contextvars

from app.errors import Unavailable
from app.recordings import direct_upload
from app.recordings.recording import MAX_AUDIO_BYTES
from app.refusals import AudioTooLarge, InvalidBody, InvalidSize, InvalidText, UploadFailed
from app.sessions.learner import Learner
from app.web.answers import CompactJSON, accepted
from app.web.form import parse_duration, require_audio_type
from app.web.signed import read_capped
from app.web.state import State

log = structlog.get_logger()

MAX_BODY_BYTES = 64 * 1024
MAX_TEXT_LENGTH = 10_000


async def begin(request: Request[State], learner: Learner) -> Response:
    """Say where the recording may be put. Raises Refused."""
    wish = _parse(await read_capped(request, MAX_BODY_BYTES))
    duration_s = parse_duration(_number(wish.get("duration")))
    content_type, size_bytes = wish.get("contentType"), wish.get("size")
    if not isinstance(size_bytes, int) or isinstance(size_bytes, bool) or size_bytes < 1:
        raise InvalidSize
    if size_bytes > MAX_AUDIO_BYTES:
        raise AudioTooLarge
    content_type = require_audio_type(content_type if isinstance(content_type, str) else "")
    try:
        ticket = await direct_upload.begin(
            request.state["services"],
            learner,
            content_type=content_type,
            size_bytes=size_bytes,
            duration_s=duration_s,
            topic=_text(wish, "topic"),
            language=_text(wish, "language") or "en",
        )
    except Unavailable as error:
        log.warning("upload_failed", reason=error.message)
        raise UploadFailed from None
    bind_contextvars(session_id=ticket.session.id)
    log.info("upload_begun", audio_bytes=size_bytes)
    upload = {
        "url": ticket.url,
        "method": "PUT",
        "headers": {"content-type": content_type},
        "expiresAt": ticket.expires_at,
    }
    return CompactJSON(accepted(ticket.session, "CREATED") | {"upload": upload}, 201)


async def complete(request: Request[State], learner: Learner, session_id: str) -> Response:
    """The recording is stored: process it. Raises Refused."""
    session = await direct_upload.complete(request.state["services"], learner, session_id)
    bind_contextvars(session_id=session.id)
    log.info("session_uploaded")
    return CompactJSON(accepted(session))


def _parse(body: bytes) -> dict[str, Any]:
    try:
        wish: Any = json.loads(body)
    except (ValueError, RecursionError):
        wish = None
    if not isinstance(wish, dict) or not {"contentType", "size"} & wish.keys():
        # Whatever it is, it does not ask for a direct upload.
        raise InvalidBody
    return wish  # pyright: ignore[reportUnknownVariableType]  # JSON


def _number(value: object) -> str:
    # A number, or one in a string as forms have it; the rest is nothing, which is refused.
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return ""
    return str(value)[:400]


def _text(wish: dict[str, Any], name: str) -> str | None:
    value = wish.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_TEXT_LENGTH:
        raise InvalidText(name, MAX_TEXT_LENGTH)
    # PostgreSQL stores no NUL, UTF-8 no lone surrogate.
    return value.replace("\x00", "").encode("utf-8", "replace").decode() or None
