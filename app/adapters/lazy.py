"""Clients that are opened at first use: importing an SDK takes up to 1.3 s of CPU, too long for the first request."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from operator import methodcaller
from typing import Generic, TypeVar

Client = TypeVar("Client")
_CLOSE = methodcaller("close")


class LazyClient(Generic[Client]):
    """Opens a client once, in a worker thread, when it is first asked for; closes it if it was ever opened."""

    def __init__(self, open_client: Callable[[], Client], close: Callable[[Client], Awaitable[None]] = _CLOSE) -> None:
        self._open, self._close = open_client, close
        self._client: Client | None = None
        self._lock = asyncio.Lock()

    async def __call__(self) -> Client:
        """The client, opened if necessary. Raises whatever opening it raises; the next call tries again."""
        if self._client is None:
            async with self._lock:
                if self._client is None:
                    self._client = await asyncio.to_thread(self._open)
                    # An SDK's objects live as long as the process. Exempt them from garbage collection, which would scan
                    # them again and again and block every request for up to 0.1 s (docs/decisions/cpu.md).
                    gc.freeze()
        return self._client

    async def aclose(self) -> None:
        """Close the client if it is open. Idempotent."""
        client, self._client = self._client, None
        if client is not None:
            await self._close(client)
