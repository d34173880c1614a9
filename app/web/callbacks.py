"""POST /api/internal/process-failed and /api/internal/sweep: cleanup after deliveries. Signed calls from QStash."""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response

from app import telemetry
from app.adapters.qstash.queue import QueueRefused
from app.errors import NON_RETRYABLE_STATUS, InvalidState, Unavailable
from app.recordings.deletion import delete_recording
from app.refusals import InvalidMessage
from app.sessions import repair
from app.sweep import sweep
from app.text import storable
from app.web.answers import CompactJSON
from app.web.signed import bind_delivery, parse_session_id, verified_body
from app.web.state import State

log = structlog.get_logger()


async def process_failed(request: Request[State]) -> Response:
    """Fail the session of a message without retries left, unless it has moved on. Raises Refused, InvalidState, Unavailable."""
    services = request.state["services"]
    failure = parse_failure(await verified_body(request, services.settings.process_failed_url))
    bind_delivery(request, failure.session_id)
    failed = await repair.fail_exhausted(
        services.database,
        failure.session_id,
        failure.message_made_at,
        # A delivery answered with 489 has set FAILED itself, so a session that is not FAILED has been reopened since.
        attempted=failure.last_status not in (InvalidState.status, NON_RETRYABLE_STATUS),
        lease_s=services.settings.processing_lease_seconds,
    )
    if failed:
        telemetry.active.measure("speaking_coach.sessions", 1, {"outcome": "undelivered"})
    if failure.last_status == NON_RETRYABLE_STATUS:
        # Nothing can be done with this recording. After other failures the sweep or an operator may still need it.
        await delete_recording(services, failure.session_id)
    log.info("message_exhausted", status=failure.last_status)
    return CompactJSON({"ok": True})


async def sweep_round(request: Request[State]) -> Response:
    """Run one round of the sweep, answer its counts; request another if the bucket has more. Raises Refused, Unavailable."""
    services = request.state["services"]
    swept = await sweep(services, parse_after(await verified_body(request, services.settings.sweep_url)))
    if swept.continue_after:
        try:
            await services.queue.publish_sweep(services.settings.sweep_url, swept.continue_after)
        except (Unavailable, QueueRefused):
            # The next scheduled sweep starts from the beginning.
            log.warning("sweep_not_continued")
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


@dataclass(frozen=True)
class ExhaustedMessage:
    """A message without retries left: its session, the status of the last attempt, and when it was published."""

    session_id: str
    last_status: int
    message_made_at: datetime | None


def parse_failure(body: bytes) -> ExhaustedMessage:
    """Parse a failure callback. Raises InvalidMessage. The fields: https://upstash.com/docs/qstash/features/callbacks"""
    try:
        callback: Any = json.loads(body)
        source = base64.b64decode(callback["sourceBody"])
        status: Any = callback.get("status", 0)
        made_at: Any = callback.get("createdAt")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InvalidMessage from None
    return ExhaustedMessage(parse_session_id(source), status if isinstance(status, int) else 0, _parse_ms(made_at))


def _parse_ms(milliseconds: object) -> datetime | None:
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
