"""POST /api/internal/process-failed and /api/internal/sweep: cleanup after deliveries. Signed calls from QStash."""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response

from app import telemetry
from app.adapters.qstash.queue import Queue, QueueRefused
from app.errors import NON_RETRYABLE_STATUS, InvalidState, Unavailable
from app.recordings.deletion import delete_recording
from app.refusals import InvalidMessage
from app.sessions import repair
from app.sweep import sweep as run_sweep
from app.text import storable
from app.web.answers import CompactJSON
from app.web.signed import bind_delivery, parse_session_id, verified_body
from app.web.state import State

log = structlog.get_logger()


class ProcessFailed(HTTPEndpoint):
    """/api/internal/process-failed"""

    async def post(self, request: Request[State]) -> Response:
        """A message has no retries left: the session is FAILED unless it is DONE. Raises Refused, InvalidState, Unavailable."""
        settings, services = request.state["settings"], request.state["services"]
        failure = parse_failure(await verified_body(request, settings.process_failed_url))
        bind_delivery(request, failure.session_id)
        failed = await repair.settle(
            services.database,
            failure.session_id,
            failure.message_made_at,
            # A delivery answered with 489 has set FAILED itself, so a session that is not FAILED has been reopened since.
            attempted=failure.last_status not in (InvalidState.status, NON_RETRYABLE_STATUS),
            lease_s=services.lease_s,
        )
        if failed:
            telemetry.active.measure("speaking_coach.sessions", 1, {"outcome": "undelivered"})
        if failure.last_status == NON_RETRYABLE_STATUS:
            # Nothing can be done with this recording. After other failures the sweep or an operator may still need it.
            await delete_recording(services, failure.session_id)
        log.info("message_used_up", status=failure.last_status)
        return CompactJSON({"ok": True})


class Sweep(HTTPEndpoint):
    """/api/internal/sweep"""

    async def post(self, request: Request[State]) -> Response:
        """Run one round of the sweep, answer its counts; request another if the bucket has more. Raises Refused, Unavailable."""
        settings, services = request.state["settings"], request.state["services"]
        swept = await run_sweep(services, parse_after(await verified_body(request, settings.sweep_url)))
        if swept.continue_after:
            await continue_sweep(services.queue, settings.sweep_url, swept.continue_after)
        return CompactJSON(
            {
                "ok": True,
                "published": swept.published,
                "audioDeleted": swept.audio_deleted,
                "abandoned": swept.abandoned,
                "orphansDeleted": swept.orphans_deleted,
                "orphansKept": swept.orphans_kept,
            }
        )


async def continue_sweep(queue: Queue, url: str, after: str) -> None:
    """Have QStash call the sweep again. If it does not accept that, the next scheduled sweep starts from the beginning."""
    try:
        await queue.publish_sweep(url, after)
    except (Unavailable, QueueRefused):
        log.warning("sweep_not_continued")


@dataclass(frozen=True)
class UsedUp:
    """A message without retries left: its session, the status of the last attempt, and when it was published."""

    session_id: str
    last_status: int
    message_made_at: datetime | None


def parse_failure(body: bytes) -> UsedUp:
    """Parse a failure callback. Raises InvalidMessage. The fields: https://upstash.com/docs/qstash/features/callbacks"""
    try:
        callback: Any = json.loads(body)
        source = base64.b64decode(callback["sourceBody"])
        status: Any = callback.get("status", 0)
        made_at: Any = callback.get("createdAt")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InvalidMessage from None
    return UsedUp(parse_session_id(source), status if isinstance(status, int) else 0, _moment(made_at))


def _moment(milliseconds: object) -> datetime | None:
    # A number or a numeric string: the documentation shows both.
    try:
        return datetime.fromtimestamp(float(str(milliseconds)[:20]) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def parse_after(body: bytes) -> str:
    """The key after which a sweep continues in the bucket; empty (as in the schedule's body) for its start."""
    try:
        message: Any = json.loads(body)
        after: Any = message["after"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return storable(after) if isinstance(after, str) else ""
