"""Filters and pages of the lists: events, logs, the dead letter queue. Newest first, a page ends in a cursor if more follow."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import QueryParams

from qstash_on_loopback.store import Event

DEFAULT_COUNT = 100
MAX_COUNT = 1000
# Query parameter to the field it filters. A parameter given more than once fits any of its values.
_FIELDS = {
    "messageId": "messageId",
    "state": "state",
    "url": "url",
    "method": "method",
    "scheduleId": "scheduleId",
    "flowControlKey": "flowControlKey",
    "responseStatus": "responseStatus",
    "callerIp": "callerIP",
    "callerIP": "callerIP",
    "label": "labels",
    "topicName": "topicName",
    "queueName": "queueName",
}


@dataclass(frozen=True)
class Page:
    """Rows, and where the next ones begin."""

    rows: list[dict[str, Any]]
    cursor: str | None = None

    def as_json(self, name: str) -> dict[str, Any]:
        """The page under ``name``."""
        return {name: self.rows, **self.cursor_json()}

    def cursor_json(self) -> dict[str, str]:
        """The cursor, if more rows follow."""
        return {"cursor": self.cursor} if self.cursor else {}


def page(entries: Iterable[Event], query: QueryParams) -> Page:
    """One page of the entries that fit, from newest to oldest. A cursor is the last row's stamp, as ``1725323658779-0``."""
    count = min(MAX_COUNT, max(1, _number(query.get("count"), DEFAULT_COUNT)))
    before = _number(query.get("cursor", "").partition("-")[0], 0)
    found: list[Event] = []
    for entry in entries:
        if (before and entry.stamp >= before) or not fits(entry.row, query):
            continue
        if len(found) == count:
            return Page([each.row for each in found], f"{found[-1].stamp}-0")
        found.append(entry)
    return Page([each.row for each in found])


def fits(row: dict[str, Any], query: QueryParams) -> bool:
    """Whether a row fits every filter of the query. Parameters that are no filters do not count."""
    return all(any(_fits(row, name, wanted) for wanted in query.getlist(name)) for name in query)


def _fits(row: dict[str, Any], name: str, wanted: str) -> bool:
    when = row.get("time", row.get("createdAt", 0))
    if name == "fromDate":
        return when >= _number(wanted, 0)
    if name == "toDate":
        return when <= _number(wanted, when)
    if name == "host":
        return urlsplit(str(row["url"])).netloc == wanted
    if name not in _FIELDS:
        return True
    value: Any = row.get(_FIELDS[name])
    if isinstance(value, list):
        return wanted in value
    if name == "state" and wanted == "IN_PROGRESS":
        return value in ("ACTIVE", "RETRY", "ERROR")
    return str(value) == wanted


def _number(text: str | None, default: int) -> int:
    return int(text[:18]) if text and text.isascii() and text.isdecimal() else default
