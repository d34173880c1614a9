"""A message: its publishing options and the state of its delivery."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

DEFAULT_RETRIES = 3
# The maximum of the free plan and of the official development server.
MAX_RETRIES = 5
DEFAULT_TIMEOUT_S = 900.0
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


class Refusal(Exception):
    """The request is refused. The message is QStash's own wording where that is known."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, error


@dataclass(frozen=True, slots=True)
class FlowControl:
    """The limits of a key: how many deliveries may run concurrently, and how many may start in a period."""

    key: str
    parallelism: int | None = None
    rate: int | None = None
    period_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Callback:
    """The address to report to, and the publishing options of the report."""

    url: str
    headers: Mapping[str, str]


def new_id() -> str:
    """A new message id."""
    return f"msg_{secrets.token_urlsafe(20)}"


@dataclass(slots=True)
class Message:
    """One message. Times are Unix seconds as shown in API answers; a ``not_before`` of 0 means immediately."""

    url: str
    method: str
    body: bytes = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    retries: int = DEFAULT_RETRIES
    retry_delay: str | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S
    delay_s: float = 0.0
    not_before: float = 0.0
    callback: Callback | None = None
    failure_callback: Callback | None = None
    flow_control: FlowControl | None = None
    redacted: frozenset[str] = frozenset()
    labels: tuple[str, ...] = ()
    queue: str | None = None
    url_group: str | None = None
    endpoint: str | None = None
    schedule_id: str | None = None
    caller_ip: str = "127.0.0.1"
    id: str = field(default_factory=new_id)
    created_at: float = 0.0
    retried: int = 0
    # When the next attempt is due, as shown in API answers.
    next_attempt_at: float = 0.0

    def copy(self, **changes: Any) -> "Message":
        """A new message for the same request, with a new id and no attempts."""
        fresh = {"id": new_id(), "created_at": 0.0, "retried": 0, "next_attempt_at": 0.0}
        return replace(self, **{**fresh, **changes})

    def as_json(self) -> dict[str, Any]:
        """The message as ``GET /v2/messages/{id}`` returns it."""
        answer: dict[str, Any] = {
            "messageId": self.id,
            "url": self.url,
            "method": self.method,
            "header": self._shown_headers(),
            "maxRetries": self.retries,
            "notBefore": int((self.not_before or self.created_at) * 1000),
            "createdAt": int(self.created_at * 1000),
            "callerIP": self.caller_ip,
            **shown_content("body", self.body, redacted="body" in self.redacted),
        }
        optional = {
            "callback": self.callback.url if self.callback else None,
            "failureCallback": self.failure_callback.url if self.failure_callback else None,
            "retryDelayExpression": self.retry_delay,
            "timeout": int(self.timeout_s) if self.timeout_s != DEFAULT_TIMEOUT_S else None,
            **self.tags(),
        }
        if self.flow_control:
            optional |= {
                "parallelism": self.flow_control.parallelism,
                "rate": self.flow_control.rate,
                "ratePerSecond": self.flow_control.rate,
                "period": int(self.flow_control.period_s),
            }
        return answer | {name: value for name, value in optional.items() if value is not None}

    def tags(self) -> dict[str, Any]:
        """The fields a message can be filtered by, besides id, address and times. None if a field is not set."""
        return {
            "topicName": self.url_group,
            "endpointName": self.endpoint,
            "queueName": self.queue,
            "scheduleId": self.schedule_id,
            "label": self.labels[0] if self.labels else None,
            "labels": list(self.labels) or None,
            "flowControlKey": self.flow_control.key if self.flow_control else None,
        }

    def _shown_headers(self) -> dict[str, list[str]]:
        all_redacted = bool({"header", "headers"} & self.redacted)
        return {
            canonical(name): [
                _redacted(value.encode("utf-8", "replace"))
                if all_redacted or f"header[{name.lower()}]" in self.redacted
                else value
            ]
            for name, value in self.headers.items()
        }


def canonical(name: str) -> str:
    """Convert a header name to the form used by Go servers.

    >>> canonical("test-header")
    'Test-Header'
    """
    return "-".join(part.capitalize() for part in name.split("-"))


def shown_content(name: str, content: bytes, *, redacted: bool = False) -> dict[str, str]:
    """Content as a field of an answer: as text, or base64 under ``{name}Base64``; no field if it is empty."""
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
