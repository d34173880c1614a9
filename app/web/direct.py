"""Direct uploads: ``POST /api/sessions`` with a JSON body, then ``POST /api/sessions/:id/complete``."""

import json
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response
from structlog.contextvars import bind_contextvars

from app.audio.recording import MAX_AUDIO_BYTES
from app.errors import Unavailable
from app.recordings import direct_upload
from app.refusals import AudioTooLarge, InvalidBody, InvalidSize, NotFound, UploadFailed
from app.sessions.learner import Learner
from app.web.answers import CompactJSON, accepted
from app.web.fields import parse_details, parse_duration, require_audio_type
from app.web.signed import read_capped
from app.web.state import State

log = structlog.get_logger()

# Other versions of the frontend send other JSON here. None of it may be mistaken for the start of a direct upload.
FIELDS = {"contentType", "size", "duration", "topic", "language"}


async def begin_direct_upload(request: Request[State], learner: Learner) -> Response:
    """Answer with the URL to upload the recording to. Raises Refused."""
    announced = _parse(await read_capped(request))
    duration_s = parse_duration(_number(announced.get("duration")))
    content_type, size_bytes = announced.get("contentType"), announced.get("size")
    if not isinstance(size_bytes, int) or isinstance(size_bytes, bool) or size_bytes < 1:
        raise InvalidSize
    if size_bytes > MAX_AUDIO_BYTES:
        raise AudioTooLarge
    content_type = require_audio_type(content_type if isinstance(content_type, str) else "")
    details = parse_details(duration_s, announced)
    try:
        session, url, expires_at = await direct_upload.begin(
            request.state["services"], learner, content_type, size_bytes, details
        )
    except Unavailable as error:
        log.warning("upload_failed", reason=error.message)
        raise UploadFailed from None
    bind_contextvars(session_id=session.id)
    log.info("upload_begun", audio_bytes=size_bytes)
    upload = {
        "url": url,
        "method": "PUT",
        "headers": {"content-type": content_type},
        "expiresAt": expires_at,
    }
    return CompactJSON(accepted(session.id, session.created_at, "CREATED") | {"upload": upload}, 201)


async def complete_direct_upload(request: Request[State], learner: Learner, session_id: str) -> Response:
    """The recording is stored: process it. Raises Refused."""
    if (await read_capped(request)).strip() not in (b"", b"{}"):
        # Later versions of the frontend complete chunked recordings at this path, which we do not support.
        raise NotFound
    session = await direct_upload.complete(request.state["services"], learner, session_id)
    bind_contextvars(session_id=session_id)
    log.info("session_uploaded")
    return CompactJSON(accepted(session_id, session.created_at, session.status))


def _parse(body: bytes) -> dict[str, Any]:
    try:
        announced: Any = json.loads(body)
    except (ValueError, RecursionError):
        announced = None
    if not isinstance(announced, dict) or announced.keys() - FIELDS or not {"contentType", "size"} & announced.keys():
        # Not a request for a direct upload.
        raise InvalidBody
    return announced  # pyright: ignore[reportUnknownVariableType]  # JSON


def _number(value: object) -> str:
    # A number, or a numeric string as in a form. Anything else becomes empty, which is refused.
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return ""
    return str(value)
