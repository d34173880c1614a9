"""POST /api/internal/process-failed and POST /api/internal/sweep: the two nets below a delivery. Called by QStash, signed."""

import base64
import json
from typing import Any

import structlog
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response

from app.errors import NON_RETRYABLE_STATUS
from app.refusals import InvalidMessage
from app.sessions import repair
from app.sweep import NEVER_PROCESSED, delete_audio
from app.sweep import sweep as run_sweep
from app.web.answers import CompactJSON
from app.web.signed import bind_delivery, parse_session_id, verified_body
from app.web.state import State

log = structlog.get_logger()


class ProcessFailed(HTTPEndpoint):
    """/api/internal/process-failed"""

    async def post(self, request: Request[State]) -> Response:
        """QStash has given up a message: the session is FAILED unless it is DONE. Raises Refused, InvalidState, Unavailable."""
        settings, services = request.state["settings"], request.state["services"]
        body = await verified_body(request, settings.process_failed_url)
        session_id, last_status = parse_failure(body)
        bind_delivery(request, session_id)
        audio_key = await repair.give_up(services.database, session_id, NEVER_PROCESSED, lease_s=services.lease_s)
        if last_status == NON_RETRYABLE_STATUS:
            # Nobody will come back for this recording. After other failures an operator may: the sweep deletes it in a day.
            await delete_audio(services, session_id, audio_key)
        log.info("delivery_given_up")
        return CompactJSON({"ok": True})


class Sweep(HTTPEndpoint):
    """/api/internal/sweep"""

    async def post(self, request: Request[State]) -> Response:
        """One round of mending, with counts. Raises Refused, Unavailable."""
        settings, services = request.state["settings"], request.state["services"]
        await verified_body(request, settings.sweep_url)
        swept = await run_sweep(services)
        return CompactJSON(
            {
                "ok": True,
                "published": swept.published,
                "audioDeleted": swept.audio_deleted,
                "abandoned": swept.abandoned,
            }
        )


def parse_failure(body: bytes) -> tuple[str, int]:
    """The session of a failure callback and the status of the last attempt. Raises InvalidMessage.

    The fields: https://upstash.com/docs/qstash/features/callbacks
    """
    try:
        callback: Any = json.loads(body)
        source = base64.b64decode(callback["sourceBody"])
        status: Any = callback.get("status", 0)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InvalidMessage from None
    return parse_session_id(source), status if isinstance(status, int) else 0
