"""Converts messages to JSON records for the store, and back."""

import base64
from dataclasses import fields
from typing import Any

from qstash_on_loopback.message import Callback, FlowControl, Message

_PLAIN = [
    each.name
    for each in fields(Message)
    if each.name not in ("body", "callback", "failure_callback", "flow_control", "redacted", "labels")
]


def to_record(message: Message) -> dict[str, Any]:
    """Convert a message to a JSON record."""
    return {
        **{name: getattr(message, name) for name in _PLAIN},
        "body": base64.b64encode(message.body).decode(),
        "callback": _callback_record(message.callback),
        "failure_callback": _callback_record(message.failure_callback),
        "flow_control": _flow_record(message.flow_control),
        "redacted": sorted(message.redacted),
        "labels": list(message.labels),
    }


def from_record(record: dict[str, Any]) -> Message:
    """Convert a JSON record to a message."""
    return Message(
        **{name: record[name] for name in _PLAIN},
        body=base64.b64decode(record["body"]),
        callback=Callback(**record["callback"]) if record["callback"] else None,
        failure_callback=Callback(**record["failure_callback"]) if record["failure_callback"] else None,
        flow_control=FlowControl(**record["flow_control"]) if record["flow_control"] else None,
        redacted=frozenset(record["redacted"]),
        labels=tuple(record["labels"]),
    )


def _callback_record(callback: Callback | None) -> dict[str, Any] | None:
    return {"url": callback.url, "headers": dict(callback.headers)} if callback else None


def _flow_record(control: FlowControl | None) -> dict[str, Any] | None:
    if control is None:
        return None
    return {each.name: getattr(control, each.name) for each in fields(FlowControl)}
