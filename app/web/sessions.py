"""/api/sessions: what the frontend calls."""

import re

import structlog
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response
from structlog.contextvars import bind_contextvars

from app.errors import Unavailable
from app.recordings.deletion import delete_session
from app.recordings.upload import store_upload
from app.refusals import Unauthorized, UploadFailed
from app.sessions import owner
from app.sessions.learner import Learner
from app.web import direct
from app.web.answers import CompactJSON, accepted
from app.web.fields import parse_details
from app.web.form import UploadForm, read_upload
from app.web.state import State

log = structlog.get_logger()

DEFAULT_LIMIT = 10
MAX_LIMIT = 50
MAX_PAGE = 1_000_000_000
MAX_ID_LENGTH = 64


class Sessions(HTTPEndpoint):
    """/api/sessions"""

    async def post(self, request: Request[State]) -> Response:
        """Store a recording and have it processed. For a JSON body, answer with a URL to upload it to."""
        learner = caller(request)
        content_type = request.headers.get("content-type", "")
        with request.state["uploads"].slot(learner):
            if content_type.partition(";")[0].strip().lower() == "application/json":
                return await direct.begin_direct_upload(request, learner)
            form = await read_upload(content_type, request.stream())
            try:
                return await create_session(request, learner, form)
            finally:
                await form.data.close()

    async def get(self, request: Request[State]) -> Response:
        """The caller's sessions, newest first: ?page=1&limit=10."""
        learner = caller(request)
        page = min(MAX_PAGE, max(1, _int_parameter(request, "page", 1)))
        limit = min(MAX_LIMIT, max(1, _int_parameter(request, "limit", DEFAULT_LIMIT)))
        return CompactJSON(await owner.list_page(request.state["services"].database, learner, page=page, limit=limit))


class Session(HTTPEndpoint):
    """/api/sessions/{session_id}"""

    async def get(self, request: Request[State]) -> Response:
        """One session with its transcript and insights."""
        learner = caller(request)
        return CompactJSON(await owner.find(request.state["services"].database, learner, _session_id(request)))

    async def delete(self, request: Request[State]) -> Response:
        """Delete the stored recording, then the rows."""
        await delete_session(request.state["services"], caller(request), _session_id(request))
        return CompactJSON({"ok": True})


async def complete_session(request: Request[State]) -> Response:
    """Complete a direct upload: the recording is in storage."""
    return await direct.complete_direct_upload(request, caller(request), _session_id(request))


async def create_session(request: Request[State], learner: Learner, form: UploadForm) -> Response:
    """Check the form, store the recording, answer 201. Raises Refused."""
    recording, duration_s = form.valid_recording()
    details = parse_details(duration_s, form.fields)
    try:
        session = await store_upload(request.state["services"], learner, recording, details)
    except Unavailable as error:
        log.warning("upload_failed", reason=error.message)
        raise UploadFailed from None
    bind_contextvars(session_id=session.id)
    log.info("session_uploaded", audio_bytes=recording.size_bytes)
    return CompactJSON(accepted(session.id, session.created_at, "UPLOADED"), 201)


def caller(request: Request[State]) -> Learner:
    """Who is signed in. Raises Unauthorized."""
    learner = request.state["services"].authjs.learner(request.headers.getlist("cookie"))
    if learner is None:
        raise Unauthorized
    return learner


def _int_parameter(request: Request[State], name: str, default: int) -> int:
    # Like JavaScript's parseInt. If a parameter is repeated, the first counts.
    values = request.query_params.getlist(name)
    digits = re.match(r"\s*([+-]?[0-9]{1,18})", values[0]) if values else None
    return int(digits[1]) if digits else default


def _session_id(request: Request[State]) -> str:
    session_id: str = request.path_params["session_id"]
    if len(session_id) > MAX_ID_LENGTH or not session_id.isascii() or not session_id.isprintable():
        # No row has such an id, and PostgreSQL would refuse a NUL.
        return ""
    return session_id
