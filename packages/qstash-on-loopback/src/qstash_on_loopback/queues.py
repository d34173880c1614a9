"""Queues: deliver messages in order, one or a few at a time. https://upstash.com/docs/qstash/features/queues"""

import re
from typing import Any

from qstash_on_loopback.clock import Clock
from qstash_on_loopback.gates import Gate
from qstash_on_loopback.message import Refusal
from qstash_on_loopback.persistence import Persistence

KIND = "queue"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")


class Queue(Gate):
    """One queue. A message keeps its slot until it is delivered or has failed, including its retries and callbacks."""

    def __init__(self, name: str, created_at: float) -> None:
        super().__init__(1)
        self.name = name
        self.created_at = self.updated_at = created_at
        self.lag = 0

    def as_json(self) -> dict[str, Any]:
        """The queue as the API returns it."""
        return {
            "name": self.name,
            "parallelism": self.limit,
            "createdAt": int(self.created_at * 1000),
            "updatedAt": int(self.updated_at * 1000),
            "lag": self.lag,
            "paused": self.paused,
        }


class Queues:
    """All queues."""

    def __init__(self, clock: Clock, persistence: Persistence) -> None:
        self._clock, self._persistence = clock, persistence
        self.all: dict[str, Queue] = {}
        for name, kept in persistence.all(KIND):
            queue = self.all[name] = Queue(name, kept["created_at"])
            queue.updated_at, queue.limit, queue.paused = kept["updated_at"], kept["parallelism"], kept["paused"]

    def of(self, name: str) -> Queue:
        """The queue of that name, created with parallelism 1 if it is new. Raises Refusal if the name is invalid."""
        if not _NAME.fullmatch(name):
            raise Refusal(400, "invalid queue name: only letters, digits, hyphens, periods and underscores are allowed")
        queue = self.all.get(name)
        if queue is None:
            queue = self.all[name] = Queue(name, self._clock.shown())
            self._keep(queue)
        return queue

    def change(self, queue: Queue, *, parallelism: int | None = None, paused: bool | None = None) -> None:
        """Change the given settings of a queue."""
        queue.limit = queue.limit if parallelism is None else parallelism
        queue.paused = queue.paused if paused is None else paused
        queue.updated_at = self._clock.shown()
        self._keep(queue)
        queue.let_in()

    def remove(self, name: str) -> None:
        """Remove a queue if it exists. Its messages are not affected."""
        if self.all.pop(name, None):
            self._persistence.remove(KIND, name)

    def _keep(self, queue: Queue) -> None:
        kept = {
            "created_at": queue.created_at,
            "updated_at": queue.updated_at,
            "parallelism": queue.limit,
            "paused": queue.paused,
        }
        self._persistence.put(KIND, queue.name, kept)
