"""URL groups: one name for several endpoints, each of which gets every message.

https://upstash.com/docs/qstash/features/url-groups
"""

import re
from dataclasses import asdict, dataclass, field
from typing import Any

from qstash_on_loopback.clock import Clock
from qstash_on_loopback.message import Refusal
from qstash_on_loopback.persistence import Persistence

KIND = "url_group"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")


@dataclass(slots=True)
class UrlGroup:
    """One URL group: its endpoints by URL, each with an optional name, and the options added to its messages."""

    name: str
    created_at: float
    updated_at: float
    endpoints: dict[str, str | None] = field(default_factory=dict[str, str | None])
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def as_json(self) -> dict[str, Any]:
        """The group as the API returns it."""
        return {
            "name": self.name,
            "createdAt": int(self.created_at * 1000),
            "updatedAt": int(self.updated_at * 1000),
            "endpoints": [{"url": url, **({"name": name} if name else {})} for url, name in self.endpoints.items()],
            **({"headers": {name: [value] for name, value in self.headers.items()}} if self.headers else {}),
        }


class UrlGroups:
    """All URL groups."""

    def __init__(self, clock: Clock, persistence: Persistence) -> None:
        self._clock, self._persistence = clock, persistence
        self.all: dict[str, UrlGroup] = {name: UrlGroup(**kept) for name, kept in persistence.all(KIND)}

    def add_endpoints(self, name: str, endpoints: list[tuple[str, str | None]]) -> None:
        """Add endpoints, each a URL and an optional name, or rename known URLs. Creates the group if it is new."""
        group = self._group(name)
        for url, endpoint in endpoints:
            for other in [
                at for at, called in group.endpoints.items() if endpoint and called == endpoint and at != url
            ]:
                del group.endpoints[other]
            group.endpoints[url] = endpoint
        self._changed(group)

    def remove_endpoints(self, name: str, endpoints: list[tuple[str | None, str | None]]) -> None:
        """Remove endpoints by URL or name. A group without endpoints is removed."""
        group = self.all.get(name)
        if group is None:
            raise Refusal(404, f"url group {name} not found")
        group.endpoints = {
            url: called
            for url, called in group.endpoints.items()
            if not any(url == gone or (called and called == gone_name) for gone, gone_name in endpoints)
        }
        if group.endpoints:
            self._changed(group)
        else:
            self.remove(name)

    def set_headers(self, name: str, headers: dict[str, str]) -> None:
        """Set the options that are added to messages published to the group."""
        group = self._group(name)
        group.headers = headers
        self._changed(group)

    def remove(self, name: str) -> None:
        """Remove a group if it exists."""
        if self.all.pop(name, None):
            self._persistence.remove(KIND, name)

    def _group(self, name: str) -> UrlGroup:
        if not _NAME.fullmatch(name):
            raise Refusal(
                400, "invalid url group name: only letters, digits, hyphens, periods and underscores are allowed"
            )
        now = self._clock.shown()
        return self.all.get(name) or UrlGroup(name, now, now)

    def _changed(self, group: UrlGroup) -> None:
        group.updated_at = self._clock.shown()
        self.all[group.name] = group
        self._persistence.put(KIND, group.name, asdict(group))
