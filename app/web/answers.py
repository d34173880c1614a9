"""Answers as the contract writes them: compact JSON, and not kept by any cache."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response


class CompactJSON(Response):
    """JSON without spaces, in UTF-8, non-ASCII unescaped. Everything here is personal or short-lived: ``no-store``."""

    media_type = "application/json"

    def __init__(self, content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content, status, {"cache-control": "no-store", **(headers or {})})

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
