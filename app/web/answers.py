"""Answers as the contract writes them: compact JSON, and not kept by any cache."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.responses import JSONResponse

from app.clock import as_json

# What the frontend shows a learner as the time until the first look.
ESTIMATED_WAIT_S = 30


class CompactJSON(JSONResponse):
    """JSON without spaces, in UTF-8, non-ASCII unescaped. Everything here is personal or short-lived: ``no-store``."""

    def __init__(self, content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content, status, {"cache-control": "no-store", **(headers or {})})


def accepted(session_id: str, created_at: datetime, status: str) -> dict[str, Any]:
    """What the frontend is told of a session that waits to be processed."""
    return {
        "id": session_id,
        "status": status,
        "createdAt": as_json(created_at),
        "estimatedWaitSecs": ESTIMATED_WAIT_S,
    }
