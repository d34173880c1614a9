"""HTTP from Prisma's client to its engine, through aiohttp alone: the client's own httpx costs twice the CPU of a statement."""

import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession, ClientTimeout


@dataclass(frozen=True)
class EngineAnswer:
    """What the client looks at: the shape of its ``AbstractResponse``."""

    status: int
    body: bytes = field(repr=False)

    async def json(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.body)

    async def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


class EngineHTTP:
    """What the client's engine calls its session: the shape of its ``AbstractHTTP``. Made in the running event loop."""

    def __init__(self, timeout_s: float) -> None:
        self._http = ClientSession(timeout=ClientTimeout(timeout_s))

    @property
    def closed(self) -> bool:
        """True after ``close``."""
        return self._http.closed

    async def request(
        self, method: str, url: str, *, headers: dict[str, str], content: str | None = None
    ) -> EngineAnswer:
        """One request. Raises aiohttp.ClientError, TimeoutError."""
        async with self._http.request(method, url, headers=headers, data=content) as response:
            return EngineAnswer(response.status, await response.read())

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        await self._http.close()
