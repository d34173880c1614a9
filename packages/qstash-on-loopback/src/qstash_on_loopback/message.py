"""A message: what a publisher asked for, and how far its delivery has come."""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

DEFAULT_RETRIES = 3
# What the free plan and the official development server accept.
MAX_RETRIES = 5
DEFAULT_TIMEOUT_S = 900.0
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


class Refusal(Exception):
    """The publish request is not acceptable; the message is QStash's own wording where that is known."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, error


@dataclass(frozen=True)
class FlowControl:
    """How many deliveries of a key may run at once, and how many may start in a period."""

    key: str
    parallelism: int | None = None
    rate: int | None = None
    period_s: float = 1.0


@dataclass(frozen=True)
class Callback:
    """Where to report, and the options of that report's own message."""

    url: str
    headers: Mapping[str, str]


@dataclass
class Message:
    """One message. Times are Unix seconds."""

    url: str
    method: str
    body: bytes = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    retries: int = DEFAULT_RETRIES
    retry_delay: str | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S
    not_before: float = 0.0
    callback: Callback | None = None
    failure_callback: Callback | None = None
    flow_control: FlowControl | None = None
    redacted: frozenset[str] = frozenset()
    labels: tuple[str, ...] = ()
    schedule_id: str | None = None
    caller_ip: str = "127.0.0.1"
    id: str = field(default_factory=lambda: f"msg_{secrets.token_urlsafe(20)}")
    created_at: float = field(default_factory=time.time)
    retried: int = 0
    cancelled: bool = False

    def copy(self, **changes: Any) -> "Message":
        """The same request as a new message: a new id, no attempt made."""
        fresh = {"id": f"msg_{secrets.token_urlsafe(20)}", "created_at": time.time(), "retried": 0, "not_before": 0.0}
        return replace(self, cancelled=False, **{**fresh, **changes})

    def as_json(self) -> dict[str, Any]:
        """The message as ``GET /v2/messages/{id}`` answers it."""
        answer: dict[str, Any] = {
            "messageId": self.id,
            "url": self.url,
            "method": self.method,
            "header": self._shown_headers(),
            "maxRetries": self.retries,
            "notBefore": int(self.not_before * 1000),
            "createdAt": int(self.created_at * 1000),
            "callerIP": self.caller_ip,
        }
        optional = {
            **shown_content("body", self.body, redacted="body" in self.redacted),
            "callback": self.callback.url if self.callback else None,
            "failureCallback": self.failure_callback.url if self.failure_callback else None,
            "retryDelayExpression": self.retry_delay,
            "timeout": int(self.timeout_s) if self.timeout_s != DEFAULT_TIMEOUT_S else None,
            "scheduleId": self.schedule_id,
            "label": self.labels[0] if self.labels else None,
            "labels": list(self.labels) or None,
        }
        if self.flow_control:
            optional |= {
                "flowControlKey": self.flow_control.key,
                "parallelism": self.flow_control.parallelism,
                "rate": self.flow_control.rate,
                "ratePerSecond": self.flow_control.rate,
                "period": int(self.flow_control.period_s),
            }
        return answer | {name: value for name, value in optional.items() if value is not None}

    def _shown_headers(self) -> dict[str, list[str]]:
        everything = bool({"header", "headers"} & self.redacted)
        return {
            canonical(name): [
                _redacted(value.encode("utf-8", "replace"))
                if everything or f"header[{name.lower()}]" in self.redacted
                else value
            ]
            for name, value in self.headers.items()
        }


def canonical(name: str) -> str:
    """A header's name as Go servers write it.

    >>> canonical("test-header")
    'Test-Header'
    """
    return "-".join(part.capitalize() for part in name.split("-"))


def shown_content(name: str, content: bytes, *, redacted: bool = False) -> dict[str, str]:
    """Bytes as a field of an answer: as text, in base64 under another name if they are none, not at all if empty."""
    if not content:
        return {}
    if redacted:
        return {name: _redacted(content)}
    try:
        return {name: content.decode()}
    except UnicodeDecodeError:
        return {f"{name}Base64": base64.b64encode(content).decode()}


def _redacted(content: bytes) -> str:
    # https://upstash.com/docs/qstash/howto/redact-fields
    return f"REDACTED:{hashlib.sha256(content).hexdigest()}"
