"""Filters and pages of the lists: events, logs, the dead letter queue."""

from collections.abc import Iterable, Mapping
from typing import Any

DEFAULT_COUNT = 100
MAX_COUNT = 1000
# Query parameter to the field it filters. "…Date" parameters are milliseconds.
_FIELDS = {
    "messageId": "messageId",
    "state": "state",
    "url": "url",
    "scheduleId": "scheduleId",
    "flowControlKey": "flowControlKey",
    "responseStatus": "responseStatus",
    "callerIp": "callerIP",
    "callerIP": "callerIP",
    "label": "labels",
}


def matching(rows: Iterable[dict[str, Any]], query: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows that fit every filter in the query."""
    return [row for row in rows if all(_fits(row, name, query[name]) for name in query)]


def page(rows: list[dict[str, Any]], name: str, query: Mapping[str, str]) -> dict[str, Any]:
    """One page under ``name``, with a cursor if more follow. The cursor is how many rows came before."""
    count = min(MAX_COUNT, max(1, _number(query.get("count"), DEFAULT_COUNT)))
    start = _number(query.get("cursor"), 0)
    answer: dict[str, Any] = {name: rows[start : start + count]}
    if start + count < len(rows):
        answer["cursor"] = str(start + count)
    return answer


def _fits(row: dict[str, Any], name: str, wanted: str) -> bool:
    when = row.get("time", row.get("createdAt", 0))
    if name == "fromDate":
        return when >= _number(wanted, 0)
    if name == "toDate":
        return when <= _number(wanted, when)
    if name not in _FIELDS:
        return True
    value = row.get(_FIELDS[name])
    if isinstance(value, list):
        return wanted in value
    if name == "state" and wanted == "IN_PROGRESS":
        return value in ("ACTIVE", "RETRY", "ERROR")
    return str(value) == wanted


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() else default
