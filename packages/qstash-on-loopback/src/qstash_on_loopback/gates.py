"""Limits on how many deliveries run at once: the others wait in the order in which they came."""

from collections import OrderedDict
from collections.abc import Callable


class Gate:
    """Lets at most ``limit`` in at a time; None is no limit. A paused gate lets nobody in."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.paused = False
        self.running = 0
        # Ordered, because taking the first of a plain dict again and again is quadratic.
        self._waiting: OrderedDict[str, Callable[[], None]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def enter(self, name: str, proceed: Callable[[], None]) -> None:
        """Call ``proceed`` as soon as there is room, now if there is."""
        self._waiting[name] = proceed
        self.let_in()

    def leave(self) -> None:
        """Give the place of one who was let in to the next."""
        self.running -= 1
        self.let_in()

    def withdraw(self, name: str) -> None:
        """Wait no longer."""
        self._waiting.pop(name, None)

    def let_in(self) -> None:
        """Let in as many as there is room for. To be called when a limit has changed."""
        while self._waiting and self.has_room():
            _, proceed = self._waiting.popitem(last=False)
            self.running += 1
            self.let_one_in()
            proceed()

    def has_room(self) -> bool:
        """Whether one more may enter now."""
        return not self.paused and (self.limit is None or self.running < self.limit)

    def let_one_in(self) -> None:
        """Called for each that enters."""
