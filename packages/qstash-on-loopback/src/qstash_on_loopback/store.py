"""The server's state: pending messages, events, the dead letter queue and deduplication ids."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

from qstash_on_loopback.clock import Clock
from qstash_on_loopback.message import Message, canonical, shown_content
from qstash_on_loopback.persistence import Persistence
from qstash_on_loopback.records import from_record, to_record

MESSAGE, DEAD_LETTER, DEDUPLICATION = "message", "dead_letter", "deduplication"
# Older entries are removed, so that the memory of a long-running server stays bounded.
MAX_EVENTS = 10_000
MAX_DEAD, MAX_DEAD_BYTES = 10_000, 128 * 1024 * 1024
MAX_RECENT, MAX_RECENT_BYTES = 1_000, 8 * 1024 * 1024
# "Messages are removed from the database shortly after they're delivered"; the exact time is not documented.
RECENT_S = 60.0
# "Deduplication window": https://upstash.com/docs/qstash/features/deduplication
DEDUPLICATION_WINDOW_S = 600.0


@dataclass(frozen=True, slots=True)
class Event:
    """One event, with the fields of ``GET /v2/events``.

    ``stamp`` is unique and increasing: the time in milliseconds, or the next number if that is taken.
    """

    stamp: int
    row: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that failed permanently, and its row in ``GET /v2/dlq``."""

    stamp: int
    row: dict[str, Any] = field(repr=False)
    message: Message = field(repr=False)
    error: str = ""

    @property
    def size(self) -> int:
        """Its approximate size in bytes."""
        return len(self.message.body) + len(self.row.get("responseBody", ""))


class Store:
    """The server's state in memory. Everything except events and recently finished messages is also persisted."""

    def __init__(self, clock: Clock, persistence: Persistence) -> None:
        self._clock, self._persistence = clock, persistence
        self.pending: dict[str, Message] = {name: from_record(record) for name, record in persistence.all(MESSAGE)}
        self.events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self.dead: OrderedDict[str, DeadLetter] = OrderedDict()
        self._dead_bytes = self._last_stamp = 0
        self._recent: OrderedDict[str, tuple[float, Message]] = OrderedDict()
        self._recent_bytes = 0
        self._deduplication: OrderedDict[str, tuple[float, str]] = OrderedDict()
        for dlq_id, record in persistence.all(DEAD_LETTER):
            message = from_record(record.pop("message"))
            self._add_dead(dlq_id, DeadLetter(**record, message=message))
        for name, record in persistence.all(DEDUPLICATION):
            self._deduplication[name] = clock.due_at(record["at"]), record["message"]

    def created(self, message: Message) -> None:
        """Record that a message was accepted."""
        message.created_at = self._clock.shown()
        self.pending[message.id] = message
        self.keep(message)
        self.event(message, "CREATED")

    def keep(self, message: Message) -> None:
        """Persist the state of a message."""
        self._persistence.put(MESSAGE, message.id, to_record(message))

    def event(self, message: Message, state: str, *, status: int = 0, error: str = "", next_at: float = 0.0) -> None:
        """Record an event. ``next_at`` is when the next attempt is due, as shown in API answers."""
        now_ms = self._clock.shown_ms()
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
            "nextDeliveryTime": int(next_at * 1000) or None,
            "retryDelayExpr": message.retry_delay,
            **message.tags(),
        }
        row |= {name: value for name, value in optional.items() if value is not None}
        self.events.append(Event(self._stamp(now_ms), row))

    def ended(self, message: Message, state: str, *, status: int = 0) -> None:
        """Record the final state of a message: DELIVERED, FAILED or CANCELED."""
        if self.pending.pop(message.id, None) is None:
            return
        self._persistence.remove(MESSAGE, message.id)
        self.event(message, state, status=status)
        self._recent[message.id] = self._clock.now(), message
        self._recent_bytes += len(message.body)
        self._forget_recent()

    def message(self, message_id: str) -> Message | None:
        """A message that is pending or finished recently."""
        self._forget_recent()
        return self.pending.get(message_id) or self._recent.get(message_id, (0.0, None))[1]

    def dead_letter(self, message: Message, status: int, headers: dict[str, str], body: bytes, error: str) -> str:
        """Move a message to the dead letter queue, and return its id there, such as ``1725323658779-0``."""
        self.ended(message, "FAILED", status=status)
        stamp = self._stamp(self._clock.shown_ms())
        dlq_id = f"{stamp}-0"
        row = {
            **message.as_json(),
            "dlqId": dlq_id,
            "retried": message.retried,
            "responseStatus": status,
            "responseHeader": {canonical(name): [value] for name, value in headers.items()},
            **shown_content("responseBody", body or error.encode()),
        }
        record = {"stamp": stamp, "row": row, "message": to_record(message), "error": error}
        self._persistence.put(DEAD_LETTER, dlq_id, record)
        self._add_dead(dlq_id, DeadLetter(stamp, row, message, error))
        return dlq_id

    def take_dead(self, dlq_id: str) -> DeadLetter | None:
        """Remove a dead letter from the queue and return it; None if it is not there."""
        letter = self.dead.pop(dlq_id, None)
        if letter:
            self._dead_bytes -= letter.size
            self._persistence.remove(DEAD_LETTER, dlq_id)
        return letter

    def known_duplicate(self, deduplication_id: str) -> str | None:
        """The id of the message first published under this deduplication id within the window, if any."""
        while self._deduplication:
            name, (at, _) = next(iter(self._deduplication.items()))
            if self._clock.now() - at < DEDUPLICATION_WINDOW_S:
                break
            del self._deduplication[name]
            self._persistence.remove(DEDUPLICATION, name)
        return self._deduplication.get(deduplication_id, (0.0, None))[1]

    def remember(self, deduplication_id: str, message_id: str) -> None:
        """Record the message published under this deduplication id."""
        self._deduplication[deduplication_id] = self._clock.now(), message_id
        record = {"at": self._clock.shown(), "message": message_id}
        self._persistence.put(DEDUPLICATION, deduplication_id, record)

    def _add_dead(self, dlq_id: str, letter: DeadLetter) -> None:
        self.dead[dlq_id] = letter
        self._dead_bytes += letter.size
        self._last_stamp = max(self._last_stamp, letter.stamp)
        while len(self.dead) > MAX_DEAD or (self._dead_bytes > MAX_DEAD_BYTES and len(self.dead) > 1):
            self.take_dead(next(iter(self.dead)))

    def _forget_recent(self) -> None:
        while self._recent:
            at, message = next(iter(self._recent.values()))
            few = len(self._recent) <= MAX_RECENT and self._recent_bytes <= MAX_RECENT_BYTES
            if few and self._clock.real_s(self._clock.now() - at) < RECENT_S:
                return
            del self._recent[message.id]
            self._recent_bytes -= len(message.body)

    def _stamp(self, now_ms: int) -> int:
        self._last_stamp = max(now_ms, self._last_stamp + 1)
        return self._last_stamp
