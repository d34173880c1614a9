"""The server's clock: real time, which a scale can run faster and a test can move forward."""

import time


class Clock:
    """Two readings of one clock.

    ``now`` is the time line on which everything is due; a second of it lasts ``scale`` real seconds. ``shown`` is what
    answers show: real time, and whatever a test has moved it by.
    """

    def __init__(self, scale: float = 1.0) -> None:
        if not scale > 0:
            raise ValueError("the time scale must be greater than 0")
        self.scale = scale
        self._started = time.time()
        self._moved_s = 0.0

    def now(self) -> float:
        """Seconds on the server's time line. It starts as Unix time."""
        real = time.time()
        return self._started + (real - self._started) / self.scale + self._moved_s

    def shown(self) -> float:
        """Unix seconds, as shown in answers."""
        return time.time() + self._moved_s

    def shown_ms(self) -> int:
        """Unix milliseconds, as shown in answers."""
        return int(self.shown() * 1000)

    def due_at(self, shown: float) -> float:
        """Where a Unix time that a client names lies on the time line."""
        return self.now() + (shown - self.shown())

    def real_s(self, seconds: float) -> float:
        """How many real seconds a wait lasts."""
        return seconds * self.scale

    def move(self, seconds: float) -> None:
        """Move forward."""
        self._moved_s += max(0.0, seconds)
