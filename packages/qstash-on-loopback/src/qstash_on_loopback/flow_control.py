"""Flow control: how many deliveries of a key run at once, and how many start in a period."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from qstash_on_loopback.message import FlowControl


class _Key:
    """One key's state. The limits are those of the latest message, as publishing again changes them."""

    def __init__(self, control: FlowControl) -> None:
        self.control = control
        self.running = self.waiting = 0
        self.starts: deque[float] = deque()
        # Held by the first in line; the others queue up behind it in their order.
        self.first_in_line = asyncio.Lock()
        self.freed = asyncio.Event()


class FlowControls:
    """All keys. Messages over a limit wait; none is refused."""

    def __init__(self, time_scale: float) -> None:
        self._scale = time_scale
        self.keys: dict[str, _Key] = {}

    @asynccontextmanager
    async def slot(self, control: FlowControl | None) -> AsyncGenerator[None, None]:
        """Hold a place among the deliveries of the key, waiting for one if need be."""
        if control is None:
            yield
            return
        key = self.keys.setdefault(control.key, _Key(control))
        key.control = control
        key.waiting += 1
        try:
            await self._enter(key, control)
        finally:
            key.waiting -= 1
        try:
            yield
        finally:
            key.running -= 1
            key.freed.set()

    def as_json(self, name: str) -> dict[str, Any]:
        """The state of one key, as ``GET /v2/flowControl/{key}`` answers it."""
        key = self.keys[name]
        self._forget_old_starts(key, key.control)
        return {
            "flowControlKey": name,
            "waitListSize": key.waiting,
            "parallelismMax": key.control.parallelism or 0,
            "parallelismCount": key.running,
            "rateMax": key.control.rate or 0,
            "rateCount": len(key.starts),
            "ratePeriod": int(key.control.period_s),
            "ratePeriodStart": int(time.time() - (time.monotonic() - key.starts[0])) if key.starts else 0,
        }

    async def _enter(self, key: _Key, control: FlowControl) -> None:
        async with key.first_in_line:
            while True:
                if control.parallelism is not None and key.running >= control.parallelism:
                    key.freed.clear()
                    await key.freed.wait()
                elif (wait_s := self._until_rate_allows(key, control)) > 0:
                    await asyncio.sleep(wait_s)
                else:
                    break
            key.running += 1
            if control.rate is not None:
                key.starts.append(time.monotonic())

    def _until_rate_allows(self, key: _Key, control: FlowControl) -> float:
        if control.rate is None:
            return 0
        self._forget_old_starts(key, control)
        if len(key.starts) < control.rate:
            return 0
        return key.starts[-control.rate] + control.period_s * self._scale - time.monotonic()

    def _forget_old_starts(self, key: _Key, control: FlowControl) -> None:
        while key.starts and key.starts[0] <= time.monotonic() - control.period_s * self._scale:
            key.starts.popleft()
