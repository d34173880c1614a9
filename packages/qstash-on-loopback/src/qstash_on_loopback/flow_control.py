"""Flow control: limits how many deliveries of a key run concurrently and how many start in a period.

https://upstash.com/docs/qstash/features/flowcontrol
"""

from typing import Any

from qstash_on_loopback.clock import Clock
from qstash_on_loopback.gates import Gate
from qstash_on_loopback.message import FlowControl
from qstash_on_loopback.persistence import Persistence
from qstash_on_loopback.timers import Timer, Timers

KIND = "flow_control"
# With more keys than this, idle keys are removed.
MAX_IDLE_KEYS = 10_000


class FlowKey(Gate):
    """One flow control key. Its limits are those of the latest message, unless they are pinned."""

    def __init__(self, name: str, clock: Clock, timers: Timers) -> None:
        super().__init__(None)
        self.name = name
        self.rate: int | None = None
        self.period_s = 1.0
        self.pinned_parallelism = self.pinned_rate = False
        self._clock, self._timers = clock, timers
        self._period_start, self._started_in_period = 0.0, 0
        self._timer: Timer | None = None

    def has_room(self) -> bool:
        """Whether both limits allow another delivery. Over the rate limit, checks again when the period ends."""
        if not super().has_room():
            return False
        if self.rate is None or self._count() < self.rate:
            return True
        if self._timer is None:
            self._timer = self._timers.at(self._period_start + self.period_s, self._period_over, self)
        return False

    def on_enter(self) -> None:
        """Count a delivery in the current period. The first delivery starts a new period."""
        if not self._count():
            self._period_start = self._clock.now()
        self._started_in_period += 1

    def set_limits(self, control: FlowControl) -> None:
        """Apply a message's limits, except those that are pinned."""
        before = (self.limit, self.rate, self.period_s)
        if not self.pinned_parallelism:
            self.limit = control.parallelism
        if not self.pinned_rate:
            self.rate, self.period_s = control.rate, control.period_s
        if before != (self.limit, self.rate, self.period_s):
            self.limits_changed()

    def limits_changed(self) -> None:
        """Start the waiting deliveries that the current limits allow."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self.let_in()

    def reset_rate(self) -> None:
        """End the current period."""
        self._started_in_period = 0
        self.limits_changed()

    def as_json(self) -> dict[str, Any]:
        """The key as ``GET /v2/flowControl/{key}`` returns it."""
        count = self._count()
        started = self._clock.shown() - self._clock.real_s(self._clock.now() - self._period_start)
        return {
            "flowControlKey": self.name,
            "waitListSize": self.waiting,
            "parallelismMax": self.limit or 0,
            "parallelismCount": self.running,
            "rateMax": self.rate or 0,
            "rateCount": count,
            "ratePeriod": int(self.period_s),
            "ratePeriodStart": int(started) if count else 0,
            "isPaused": self.paused,
            "isPinnedParallelism": self.pinned_parallelism,
            "isPinnedRate": self.pinned_rate,
        }

    @property
    def idle(self) -> bool:
        """Whether the key can be removed without any effect."""
        administered = self.paused or self.pinned_parallelism or self.pinned_rate
        return not (self.waiting or self.running or administered or self._count())

    def _count(self) -> int:
        if self._clock.now() >= self._period_start + self.period_s:
            self._started_in_period = 0
        return self._started_in_period

    def _period_over(self, _: Any) -> None:
        self._timer = None
        self.let_in()


class FlowControls:
    """All flow control keys. Messages over a limit wait; none is refused."""

    def __init__(self, clock: Clock, timers: Timers, persistence: Persistence) -> None:
        self._clock, self._timers, self._persistence = clock, timers, persistence
        self.keys: dict[str, FlowKey] = {}
        for name, kept in persistence.all(KIND):
            key = self.key(name)
            key.limit, key.rate, key.period_s = kept["parallelism"], kept["rate"], kept["period"]
            key.paused, key.pinned_parallelism, key.pinned_rate = kept["flags"]

    def key(self, name: str) -> FlowKey:
        """The key of that name, created if it is new."""
        key = self.keys.get(name)
        if key is None:
            if len(self.keys) >= MAX_IDLE_KEYS:
                self.keys = {other.name: other for other in self.keys.values() if not other.idle}
            key = self.keys[name] = FlowKey(name, self._clock, self._timers)
        return key

    def of(self, control: FlowControl) -> FlowKey:
        """The key of a message, with its limits updated."""
        key = self.key(control.key)
        key.set_limits(control)
        return key

    def changed(self, key: FlowKey) -> None:
        """Persist an operator's changes, and start the deliveries that are now allowed."""
        flags = [key.paused, key.pinned_parallelism, key.pinned_rate]
        kept = {
            "parallelism": key.limit,
            "rate": key.rate,
            "period": key.period_s,
            "flags": flags,
        }
        if any(flags):
            self._persistence.put(KIND, key.name, kept)
        else:
            self._persistence.remove(KIND, key.name)
        key.limits_changed()
