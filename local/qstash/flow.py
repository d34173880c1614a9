"""Flow control: how many deliveries of a key run at once, and how many start in a period."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from local.qstash.message import FlowControl


class _Key:
    """One key's state. The limits are those of the latest message, as publishing again changes them."""

    def __init__(self) -> None:
        self.running = 0
        self.starts: deque[float] = deque()
        self.changed = asyncio.Condition()


class FlowControls:
    """All keys. Messages over a limit wait; none is refused."""

    def __init__(self, time_scale: float) -> None:
        self._scale = time_scale
        self._keys: dict[str, _Key] = {}

    @asynccontextmanager
    async def slot(self, control: FlowControl | None) -> AsyncGenerator[None, None]:
        """Hold a place among the deliveries of the key, waiting for one if need be."""
        if control is None:
            yield
            return
        key = self._keys.setdefault(control.key, _Key())
        await self._enter(key, control)
        try:
            yield
        finally:
            async with key.changed:
                key.running -= 1
                key.changed.notify()

    async def _enter(self, key: _Key, control: FlowControl) -> None:
        async with key.changed:
            while True:
                if control.parallelism is not None and key.running >= control.parallelism:
                    await key.changed.wait()
                    continue
                wait_s = self._until_rate_allows(key, control)
                if wait_s <= 0:
                    break
                # Holding the condition keeps the order of those behind us.
                await asyncio.sleep(wait_s)
            key.running += 1
            key.starts.append(time.monotonic())

    def _until_rate_allows(self, key: _Key, control: FlowControl) -> float:
        if control.rate is None:
            key.starts.clear()
            return 0
        period_s, now = control.period_s * self._scale, time.monotonic()
        while key.starts and key.starts[0] <= now - period_s:
            key.starts.popleft()
        return 0 if len(key.starts) < control.rate else key.starts[0] + period_s - now
