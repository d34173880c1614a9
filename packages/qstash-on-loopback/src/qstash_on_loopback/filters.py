"""Filters and pagination of the lists. An unknown filter is an error; otherwise a typo would select everything."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from starlette.datastructures import QueryParams

from qstash_on_loopback.message import Refusal

DEFAULT_COUNT = 100
MAX_COUNT = 1000
# Each filter, and the field of a row that it is compared with.
_FIELDS = {
    "messageId": "messageId",
    "messageIds": "messageId",
    "dlqIds": "dlqId",
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
    "api": "api",
}
_COMMON = {
    *("url", "topicName", "queueName", "scheduleId", "fromDate", "toDate", "label", "flowControlKey"),
    *("callerIp", "callerIP", "host", "path", "count", "cursor"),
}
MESSAGE_FILTERS = frozenset(_COMMON | {"messageIds"})
DEAD_LETTER_FILTERS = frozenset(_COMMON | {"messageId", "responseStatus", "dlqIds", "api"})
EVENT_FILTERS = frozenset(_COMMON | {"messageId", "messageIds", "state", "method", "api"})
# Values that may contain commas are split only where the next value begins.
_SEPARATORS = {"url": re.compile(r",(?=https?://)"), "path": re.compile(r",(?=/)")}
_COMMA = re.compile(",")


class Entry(Protocol):
    """An entry of a list. ``stamp`` is unique and increasing."""

    @property
    def stamp(self) -> int: ...
    @property
    def row(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Page:
    """Rows, and the cursor of the next page."""

    rows: list[dict[str, Any]]
    cursor: str | None = None

    def as_json(self, name: str) -> dict[str, Any]:
        """The page as JSON, with the rows under ``name``."""
        return {name: self.rows, **self.cursor_json()}

    def cursor_json(self) -> dict[str, str]:
        """The cursor, if more rows follow."""
        return {"cursor": self.cursor} if self.cursor else {}


class Filters:
    """The filters of a query. A row must match every filter, by any of the filter's values. Raises Refusal."""

    def __init__(self, query: QueryParams, known: frozenset[str]) -> None:
        unknown = sorted(set(query) - known - {"qstash_token"})
        if unknown:
            raise Refusal(400, f"unknown filter {unknown[0]!r}: expected {', '.join(sorted(known))}")
        self._values = {name: _values(query, name) for name in query if name in _FIELDS or name in ("host", "path")}
        self._from, self._to = _number(query, "fromDate"), _number(query, "toDate")
        count = _number(query, "count")
        if count == 0:
            raise Refusal(400, "count must be at least 1")
        self.count = None if count is None else min(MAX_COUNT, count)
        self.before = _cursor(query.get("cursor", ""))

    def fits(self, row: dict[str, Any]) -> bool:
        """Whether a row matches the filters. Ignores the page limits."""
        when = row.get("time", row.get("createdAt", 0))
        if (self._from is not None and when < self._from) or (self._to is not None and when > self._to):
            return False
        return all(_fits(row, name, wanted) for name, wanted in self._values.items())

    def page(self, entries: Iterable[Entry]) -> Page:
        """One page of matching entries. ``entries`` are newest first; the cursor is the stamp of the last entry."""
        count = self.count or DEFAULT_COUNT
        found: list[Entry] = []
        for entry in entries:
            if (self.before and entry.stamp >= self.before) or not self.fits(entry.row):
                continue
            if len(found) == count:
                return Page([each.row for each in found], f"{found[-1].stamp}-0")
            found.append(entry)
        return Page([each.row for each in found])


def _fits(row: dict[str, Any], name: str, wanted: frozenset[str]) -> bool:
    if name in ("host", "path"):
        parts = urlsplit(str(row["url"]))
        return bool(wanted & ({parts.netloc, parts.hostname or ""} if name == "host" else {parts.path or "/"}))
    value: Any = row.get(_FIELDS[name])
    if isinstance(value, list):
        return not wanted.isdisjoint(value)  # pyright: ignore[reportUnknownArgumentType]  # labels
    if name == "state" and "IN_PROGRESS" in wanted and value in ("ACTIVE", "RETRY", "ERROR"):
        return True
    return str(value) in wanted


def _values(query: QueryParams, name: str) -> frozenset[str]:
    given = query.getlist(name)
    parts = [part for value in given for part in _SEPARATORS.get(name, _COMMA).split(value)]
    # The documentation spells it CANCELLED, the SDKs CANCELED.
    return frozenset(["CANCELED" if name == "state" and part == "CANCELLED" else part for part in [*given, *parts]])


def _number(query: QueryParams, name: str) -> int | None:
    if name not in query:
        return None
    text = query[name]
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise Refusal(400, f"invalid {name} {text!r}: expected a number")
    return int(text)


def _cursor(text: str) -> int:
    if not text:
        return 0
    if not re.fullmatch(r"\d{1,18}-\d+", text, re.ASCII):
        raise Refusal(400, f"invalid cursor {text!r}")
    return int(text.partition("-")[0])
