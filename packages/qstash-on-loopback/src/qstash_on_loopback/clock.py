"""The server's clock: real time, which can run faster and which a test can move forward."""

import time


class Clock:
    """One clock with two readings.

    ``now`` is the server's internal time, by which everything is scheduled; one second of it lasts ``scale`` real
    seconds. ``shown`` is the time in API answers: real time plus the time by which a test has moved the clock.
    """

    def __init__(self, scale: float = 1.0) -> None:
        if not scale > 0:
            raise ValueError("the time scale must be greater than 0")
        self.scale = scale
        self._started = time.time()
        self._moved_s = 0.0

    def now(self) -> float:
        """Internal time in seconds. It starts as Unix time."""
        real = time.time()
        return self._started + (real - self._started) / self.scale + self._moved_s

    def shown(self) -> float:
        """Unix seconds, as shown in API answers."""
        return time.time() + self._moved_s

    def shown_ms(self) -> int:
        """Unix milliseconds, as shown in API answers."""
        return int(self.shown() * 1000)

    def due_at(self, shown: float) -> float:
        """Convert a Unix time given by a client to internal time."""
        return self.now() + (shown - self.shown())

    def real_s(self, seconds: float) -> float:
        """Convert a duration in internal seconds to real seconds."""
        return seconds * self.scale

    def move(self, seconds: float) -> None:
        """Move the clock forward."""
        self._moved_s += max(0.0, seconds)
