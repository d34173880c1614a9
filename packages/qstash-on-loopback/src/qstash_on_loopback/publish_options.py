"""Reads and validates the options of a publish request: https://upstash.com/docs/qstash/howto/publishing"""

from collections.abc import Mapping
from typing import Any

from qstash_on_loopback.message import (
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT_S,
    MAX_RETRIES,
    METHODS,
    Callback,
    FlowControl,
    Message,
    Refusal,
)
from qstash_on_loopback.timing import DAY_S, evaluate_delay_ms, parse_duration

# "max 1 week": https://upstash.com/docs/qstash/features/flowcontrol
MAX_PERIOD_S = 7 * DAY_S
# Headers of a retry from the dead letter queue, and the fields of the message that they override.
_OVERRIDES = {
    "upstash-method": ("method",),
    "upstash-retries": ("retries",),
    "upstash-retry-delay": ("retry_delay",),
    "upstash-timeout": ("timeout_s",),
    "upstash-delay": ("delay_s",),
    "upstash-not-before": ("not_before",),
    "upstash-callback": ("callback",),
    "upstash-failure-callback": ("failure_callback",),
    "upstash-flow-control-key": ("flow_control",),
    "upstash-redact-fields": ("redacted",),
    "upstash-label": ("labels",),
}


def read_message(url: str, headers: Mapping[str, str], body: bytes, caller_ip: str = "127.0.0.1") -> Message:
    """Read a message from the headers of a publish request (lower-case names, including query options).

    Raises Refusal.
    """
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
            delay_s=option.duration("upstash-delay", 0.0),
            not_before=option.not_before(),
            callback=option.callback("upstash-callback"),
            failure_callback=option.callback("upstash-failure-callback"),
            flow_control=option.flow_control(),
            redacted=option.redacted(),
            labels=tuple(label.strip() for label in headers.get("upstash-label", "").split(",") if label.strip()),
            caller_ip=caller_ip,
        )
    except (ValueError, OverflowError) as error:
        raise Refusal(400, str(error)) from error


def overrides(headers: Mapping[str, str]) -> dict[str, Any]:
    """The message fields that the headers of a retry override. Raises Refusal.

    ``headers`` contains only the forwarded headers; the caller adds them to the headers of the message.
    """
    given = read_message("", headers, b"")
    fields = {field for header, named in _OVERRIDES.items() if header in headers for field in named}
    forwarded = {name: value for name, value in given.headers.items() if f"upstash-forward-{name}" in headers}
    return {**{field: getattr(given, field) for field in fields}, **({"headers": forwarded} if forwarded else {})}


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
        return float(int(absolute)) if absolute else 0.0

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
        if f"{name}-delay" in self._headers:
            # "such messages are explicitly rejected during insertion": changelog of March 2025
            raise Refusal(400, f"{name.removeprefix('upstash-')} cannot be delayed")
        own = {key[len(name) + 1 :]: value for key, value in self._headers.items() if key.startswith(name + "-")}
        options = {f"upstash-{key}": value for key, value in own.items()}
        # Invalid callback options are refused now, not when the callback is due.
        read_message(url, options, b"")
        return Callback(url, options)

    def redacted(self) -> frozenset[str]:
        given = self._headers.get("upstash-redact-fields", "").split(",")
        return frozenset(part.strip().lower() for part in given if part.strip())

    def flow_control(self) -> FlowControl | None:
        key = self._headers.get("upstash-flow-control-key")
        if not key:
            return None
        values = self._headers.get("upstash-flow-control-value", "")
        given = dict(part.strip().split("=", 1) for part in values.split(",") if "=" in part)
        if "parallelism" not in given and "rate" not in given:
            raise Refusal(400, "flow control needs parallelism or rate")
        limits = {name: int(given[name]) for name in ("parallelism", "rate") if name in given}
        period_s = parse_duration(given.get("period", "1"))
        if min(limits.values()) < 1 or not 1 <= period_s <= MAX_PERIOD_S:
            raise Refusal(400, "flow control limits must be at least 1, and the period from 1 s to a week")
        return FlowControl(key, limits.get("parallelism"), limits.get("rate"), period_s)
