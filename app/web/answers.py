"""Response bodies in the contract's form: compact JSON that no cache may store."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.responses import JSONResponse

from app.clock import as_json

# Seconds until it is worth checking a session for the first time, as the frontend tells the learner.
ESTIMATED_WAIT_S = 30


class CompactJSON(JSONResponse):
    """JSON without spaces, in UTF-8, non-ASCII unescaped. Everything here is personal or short-lived: ``no-store``."""

    def __init__(self, content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content, status, {"cache-control": "no-store", **(headers or {})})


def accepted(session_id: str, created_at: datetime, status: str) -> dict[str, Any]:
    """The response body for a session that is waiting to be processed."""
    return {
        "id": session_id,
        "status": status,
        "createdAt": as_json(created_at),
        "estimatedWaitSecs": ESTIMATED_WAIT_S,
    }
