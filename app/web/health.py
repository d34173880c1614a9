"""GET /api/health: is the process alive; GET /api/health/ready: can it reach its database."""

from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response

from app.errors import Unavailable
from app.refusals import NotReady
from app.web.answers import CompactJSON
from app.web.state import State


class Alive(HTTPEndpoint):
    """/api/health"""

    async def get(self, _request: Request[State]) -> Response:
        """Answers as long as the process is alive. Checks nothing else."""
        return CompactJSON({"status": "ok"})


class Ready(HTTPEndpoint):
    """/api/health/ready"""

    async def get(self, request: Request[State]) -> Response:
        """Runs a real query. Raises NotReady if the database does not answer."""
        try:
            await request.state["services"].database.ready()
        except Unavailable:
            raise NotReady from None
        return CompactJSON({"status": "ready"})
