"""A message: what a publisher asked for, read from the request's headers, and how far its delivery has come."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from local.qstash.timing import evaluate_delay_ms, parse_duration

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
            "header": {name: [value] for name, value in self.headers.items()},
            "body": self.body.decode("utf-8", "replace"),
            "maxRetries": self.retries,
            "notBefore": int(self.not_before * 1000),
            "createdAt": int(self.created_at * 1000),
            "callerIP": self.caller_ip,
        }
        optional = {
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
                "period": int(self.flow_control.period_s),
            }
        return answer | {name: value for name, value in optional.items() if value is not None}


def read_message(url: str, headers: Mapping[str, str], body: bytes, caller_ip: str = "127.0.0.1") -> Message:
    """A message from a publish request's headers (lower-case names, query options merged in). Raises Refusal."""
    option = _Options(headers)
    try:
        return Message(
            url=url,
            method=option.method(),
            body=body,
            headers=option.forwarded(),
            retries=option.retries(),
            retry_delay=option.retry_delay(),
            timeout_s=option.duration("upstash-timeout", DEFAULT_TIMEOUT_S),
            not_before=option.not_before(),
            callback=option.callback("upstash-callback"),
            failure_callback=option.callback("upstash-failure-callback"),
            flow_control=option.flow_control(),
            labels=tuple(label.strip() for label in headers.get("upstash-label", "").split(",") if label.strip()),
            caller_ip=caller_ip,
        )
    except ValueError as error:
        raise Refusal(400, str(error)) from error


class _Options:
    """Reads each option of a publish request. Its methods raise Refusal or ValueError."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def method(self) -> str:
        method = self._headers.get("upstash-method", "POST").upper()
        if method not in METHODS:
            raise Refusal(400, f"invalid method {method!r}")
        return method

    def retries(self) -> int:
        text = self._headers.get("upstash-retries", str(DEFAULT_RETRIES))
        if not text.isdecimal():
            raise Refusal(400, f"invalid retries {text!r}")
        if int(text) > MAX_RETRIES:
            raise Refusal(412, "quota maxRetries exceeded")
        return int(text)

    def retry_delay(self) -> str | None:
        expression = self._headers.get("upstash-retry-delay")
        if expression:
            evaluate_delay_ms(expression, 0)
        return expression

    def duration(self, name: str, default: float) -> float:
        text = self._headers.get(name)
        return parse_duration(text) if text else default

    def not_before(self) -> float:
        absolute = self._headers.get("upstash-not-before")
        if absolute:
            return float(int(absolute))
        delay_s = self.duration("upstash-delay", 0.0)
        return time.time() + delay_s if delay_s else 0.0

    def forwarded(self) -> dict[str, str]:
        prefix = "upstash-forward-"
        named = {key[len(prefix) :]: value for key, value in self._headers.items() if key.startswith(prefix)}
        if self._headers.get("upstash-header-forward", "").lower() == "true":
            skipped = ("upstash-", "host", "authorization", "content-length", "connection", "accept-encoding")
            own = {key: value for key, value in self._headers.items() if not key.startswith(skipped)}
            named = own | named
        content_type = self._headers.get("content-type")
        return ({"content-type": content_type} if content_type else {}) | named

    def callback(self, name: str) -> Callback | None:
        url = self._headers.get(name)
        if not url:
            return None
        if not url.startswith(("http://", "https://")):
            raise Refusal(
                400,
                f"invalid {name.removeprefix('upstash-')} url: endpoint has invalid scheme, add http:// or https://",
            )
        options = {key[len(name) + 1 :]: value for key, value in self._headers.items() if key.startswith(name + "-")}
        return Callback(url, {f"upstash-{key}": value for key, value in options.items()})

    def flow_control(self) -> FlowControl | None:
        key = self._headers.get("upstash-flow-control-key")
        if not key:
            return None
        values = self._headers.get("upstash-flow-control-value", "")
        given = dict(part.strip().split("=", 1) for part in values.split(",") if "=" in part)
        if "parallelism" not in given and "rate" not in given:
            raise Refusal(400, "flow control needs parallelism or rate")
        return FlowControl(
            key,
            int(given["parallelism"]) if "parallelism" in given else None,
            int(given["rate"]) if "rate" in given else None,
            parse_duration(given.get("period", "1")),
        )
