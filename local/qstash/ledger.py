"""What the server remembers, in memory: messages on their way, events, the dead letter queue, deduplication ids."""

import time
from collections import deque
from typing import Any

from local.qstash.message import Message

MAX_EVENTS = 10_000
# "Deduplication window": https://upstash.com/docs/qstash/features/deduplication
DEDUPLICATION_WINDOW_S = 600.0


class Ledger:
    """The server's whole memory; gone with the process, as with the official development server."""

    def __init__(self, *, time_scale: float = 1.0) -> None:
        self.pending: dict[str, Message] = {}
        self.events: deque[dict[str, Any]] = deque(maxlen=MAX_EVENTS)
        self.dead: dict[str, tuple[Message, dict[str, Any]]] = {}
        self._deduplication: dict[str, tuple[float, str]] = {}
        self._window_s = DEDUPLICATION_WINDOW_S * time_scale
        self._buried = 0

    def created(self, message: Message) -> None:
        """A message was accepted."""
        self.pending[message.id] = message
        self.event(message, "CREATED")

    def event(
        self, message: Message, state: str, *, status: int = 0, error: str = "", next_s: float | None = None
    ) -> None:
        """Write one event, in the fields of ``GET /v2/events``."""
        now_ms = int(time.time() * 1000)
        entry: dict[str, Any] = {
            "time": now_ms,
            "messageId": message.id,
            "state": state,
            "url": message.url,
            "method": message.method,
            "maxRetries": message.retries,
            "retried": message.retried,
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
        self.events.append(entry | {name: value for name, value in optional.items() if value is not None})

    def ended(self, message: Message, state: str, *, status: int = 0) -> None:
        """A message has reached its end: DELIVERED, FAILED or CANCELED."""
        if self.pending.pop(message.id, None) is not None:
            self.event(message, state, status=status)

    def bury(self, message: Message, status: int, headers: dict[str, str], body: bytes, error: str) -> str:
        """Put a message into the dead letter queue; its id there, such as ``1725323658779-0``."""
        self.ended(message, "FAILED", status=status)
        dlq_id = f"{int(time.time() * 1000)}-{self._buried}"
        self._buried += 1
        letter = {
            **message.as_json(),
            "dlqId": dlq_id,
            "responseStatus": status,
            "responseHeader": {name: [value] for name, value in headers.items()},
            "responseBody": (body or error.encode()).decode("utf-8", "replace"),
        }
        self.dead[dlq_id] = message, letter
        return dlq_id

    def known_duplicate(self, deduplication_id: str) -> str | None:
        """The message first published under this id within the window, if any."""
        since, message_id = self._deduplication.get(deduplication_id, (0.0, ""))
        return message_id if message_id and time.time() - since < self._window_s else None

    def remember(self, deduplication_id: str, message_id: str) -> None:
        """Note the message published under this id."""
        self._deduplication[deduplication_id] = time.time(), message_id
