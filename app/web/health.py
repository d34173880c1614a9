"""GET /api/health: is the process alive; GET /api/health/ready: can it reach its database."""

from starlette.requests import Request
from starlette.responses import Response

from app.errors import Code, Refused, Unavailable
from app.web.answers import CompactJSON
from app.web.state import State


async def alive(_request: Request[State]) -> Response:
    """Answers as long as the process does. Asks nothing else."""
    return CompactJSON({"status": "ok"})


async def ready(request: Request[State]) -> Response:
    """Asks the database a real question. Raises Refused (503) when it does not answer."""
    try:
        await request.state["services"].database.ready()
    except Unavailable:
        raise Refused(503, Code.NOT_READY, "The database does not answer") from None
    return CompactJSON({"status": "ready"})
