"""Limits how many deliveries run concurrently; the others wait in order of arrival."""

from collections import OrderedDict
from collections.abc import Callable


class Gate:
    """Admits at most ``limit`` deliveries at a time; None means no limit. A paused gate admits none."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.paused = False
        self.running = 0
        # An OrderedDict, because repeatedly removing the first item of a plain dict is quadratic.
        self._waiting: OrderedDict[str, Callable[[], None]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many deliveries are waiting."""
        return len(self._waiting)

    def enter(self, name: str, proceed: Callable[[], None]) -> None:
        """Call ``proceed`` as soon as there is room, immediately if there is room now."""
        self._waiting[name] = proceed
        self.let_in()

    def leave(self) -> None:
        """Release a slot and admit the next delivery."""
        self.running -= 1
        self.let_in()

    def withdraw(self, name: str) -> None:
        """Stop waiting."""
        self._waiting.pop(name, None)

    def let_in(self) -> None:
        """Admit as many deliveries as there is room for. Must be called when a limit has changed."""
        while self._waiting and self.has_room():
            _, proceed = self._waiting.popitem(last=False)
            self.running += 1
            self.on_enter()
            proceed()

    def has_room(self) -> bool:
        """Whether another delivery may enter now."""
        return not self.paused and (self.limit is None or self.running < self.limit)

    def on_enter(self) -> None:
        """Called for each delivery that enters."""
