"""POST /api/internal/process: a delivery from QStash."""

import structlog
from starlette.requests import Request
from starlette.responses import Response

from app import telemetry
from app.errors import Transient, Unavailable
from app.pipeline import process_session
from app.web.answers import CompactJSON
from app.web.signed import bind_delivery, parse_session_id, verified_body
from app.web.state import State

log = structlog.get_logger()


async def process(request: Request[State]) -> Response:
    """Verify the delivery, then process the session it names. Raises Refused, InvalidState, StepFailed."""
    services = request.state["services"]
    session_id = parse_session_id(await verified_body(request, services.settings.process_url))
    retried = bind_delivery(request, session_id)
    telemetry.active.measure("speaking_coach.delivery.attempts", retried + 1)
    try:
        await process_session(session_id, retried, services)
    except Unavailable as error:
        raise Transient(error.message) from None
    log.info("delivery_finished")
    return CompactJSON({"ok": True})
