"""What the server remembers, in memory: messages on their way, events, the dead letter queue, deduplication ids."""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from qstash_on_loopback.message import Message, canonical, shown_content

# What is older is forgotten, so that a server that runs for days stays small.
MAX_EVENTS = 10_000
MAX_DEAD = 10_000
# "Deduplication window": https://upstash.com/docs/qstash/features/deduplication
DEDUPLICATION_WINDOW_S = 600.0


@dataclass(frozen=True)
class Event:
    """One event, in the fields of ``GET /v2/events``. ``stamp`` is unique and grows: milliseconds, unless two fall together."""

    stamp: int
    row: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class DeadLetter(Event):
    """A message that was given up, and its row in ``GET /v2/dlq``."""

    message: Message = field(repr=False)


class Store:
    """The server's whole memory; gone with the process, as with the official development server."""

    def __init__(self, *, time_scale: float = 1.0) -> None:
        self.pending: dict[str, Message] = {}
        self.events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self.dead: dict[str, DeadLetter] = {}
        self._deduplication: dict[str, tuple[float, str]] = {}
        self._window_s = DEDUPLICATION_WINDOW_S * time_scale
        self._last_stamp = 0

    def created(self, message: Message) -> None:
        """A message was accepted."""
        self.pending[message.id] = message
        self.event(message, "CREATED")

    def event(
        self, message: Message, state: str, *, status: int = 0, error: str = "", next_s: float | None = None
    ) -> None:
        """Write one event."""
        now_ms = int(time.time() * 1000)
        row: dict[str, Any] = {
            "time": now_ms,
            "messageId": message.id,
            "state": state,
            "url": message.url,
            "method": message.method,
            "maxRetries": message.retries,
            "retried": message.retried,
            "callerIP": message.caller_ip,
        }
        optional = {
            "responseStatus": status or None,
            "error": error or None,
            "nextDeliveryTime": None if next_s is None else now_ms + int(next_s * 1000),
            "scheduleId": message.schedule_id,
            "label": message.labels[0] if message.labels else None,
            "labels": list(message.labels) or None,
            "flowControlKey": message.flow_control.key if message.flow_control else None,
            "retryDelayExpr": message.retry_delay,
        }
        row |= {name: value for name, value in optional.items() if value is not None}
        self.events.append(Event(self._stamp(now_ms), row))

    def ended(self, message: Message, state: str, *, status: int = 0) -> None:
        """A message has reached its end: DELIVERED, FAILED or CANCELED."""
        if self.pending.pop(message.id, None) is not None:
            self.event(message, state, status=status)

    def dead_letter(self, message: Message, status: int, headers: dict[str, str], body: bytes, error: str) -> str:
        """Put a message into the dead letter queue; its id there, such as ``1725323658779-0``."""
        self.ended(message, "FAILED", status=status)
        stamp = self._stamp(int(time.time() * 1000))
        dlq_id = f"{stamp}-0"
        row = {
            **message.as_json(),
            "dlqId": dlq_id,
            "responseStatus": status,
            "responseHeader": {canonical(name): [value] for name, value in headers.items()},
            **shown_content("responseBody", body or error.encode()),
        }
        self.dead[dlq_id] = DeadLetter(stamp, row, message)
        if len(self.dead) > MAX_DEAD:
            del self.dead[next(iter(self.dead))]
        return dlq_id

    def known_duplicate(self, deduplication_id: str) -> str | None:
        """The message first published under this id within the window, if any."""
        self._forget_old()
        return self._deduplication.get(deduplication_id, (0.0, None))[1]

    def remember(self, deduplication_id: str, message_id: str) -> None:
        """Note the message published under this id."""
        self._deduplication[deduplication_id] = time.time(), message_id

    def _forget_old(self) -> None:
        # The oldest come first.
        while self._deduplication:
            first = next(iter(self._deduplication))
            if time.time() - self._deduplication[first][0] < self._window_s:
                return
            del self._deduplication[first]

    def _stamp(self, now_ms: int) -> int:
        self._last_stamp = max(now_ms, self._last_stamp + 1)
        return self._last_stamp
