"""Timers in one heap, so that 100,000 waiting messages do not need 100,000 tasks."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import Any

from qstash_on_loopback.clock import Clock

# Timers to run before yielding to the event loop.
BATCH = 100
# Recheck the clock at least this often: after the machine has slept, a longer sleep would end too late.
MAX_SLEEP_S = 30.0
MIN_CANCELLED_TO_CLEAR = 1000


class Timer:
    """One scheduled call. It may be cancelled at any time."""

    __slots__ = ("_timers", "argument", "call", "due")

    def __init__(self, timers: "Timers", due: float, call: Callable[[Any], None], argument: Any) -> None:
        self._timers = timers
        self.due, self.call, self.argument = due, call, argument

    def cancel(self) -> None:
        """Cancel the call. Idempotent."""
        if self.argument is not None:
            self.argument = None
            self._timers.on_cancelled()


class Timers:
    """Runs calls in order of their due times; calls due at the same time run in the order in which they were set."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._cancelled = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handle: asyncio.Handle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start running due calls on ``loop``."""
        self._loop = loop
        self._arm()

    def stop(self) -> None:
        """Stop running calls."""
        self._loop = None
        if self._handle:
            self._handle.cancel()

    def at(self, due: float, call: Callable[[Any], None], argument: Any) -> Timer:
        """Run ``call(argument)`` at ``due``, in the clock's internal time. The argument must not be None."""
        timer = Timer(self, due, call, argument)
        heapq.heappush(self._heap, (due, next(self._order), timer))
        if self._heap[0][2] is timer:
            self._arm()
        return timer

    def next_due(self) -> float | None:
        """When the next call is due."""
        while self._heap and self._heap[0][2].argument is None:
            heapq.heappop(self._heap)
            self._cancelled -= 1
        return self._heap[0][0] if self._heap else None

    def on_cancelled(self) -> None:
        """Called when a timer in the heap was cancelled. Rebuilds the heap once most of its timers are cancelled."""
        self._cancelled += 1
        if self._cancelled > max(MIN_CANCELLED_TO_CLEAR, len(self._heap) // 2):
            self._heap = [entry for entry in self._heap if entry[2].argument is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def run_due(self, limit: int = BATCH) -> None:
        """Run the calls that are due, at most ``limit`` of them."""
        now = self._clock.now()
        while limit and (due := self.next_due()) is not None and due <= now:
            timer = heapq.heappop(self._heap)[2]
            argument, timer.argument = timer.argument, None
            timer.call(argument)
            limit -= 1
        self._arm()

    def _arm(self) -> None:
        if self._loop is None:
            return
        if self._handle:
            self._handle.cancel()
            self._handle = None
        due = self.next_due()
        if due is not None:
            wait_s = self._clock.real_s(due - self._clock.now())
            self._handle = self._loop.call_later(min(MAX_SLEEP_S, max(0.0, wait_s)), self.run_due)
