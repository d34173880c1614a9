"""Publishes messages to a URL, to a URL group, through a queue or from a schedule, and checks destinations.

https://upstash.com/docs/qstash/howto/publishing
"""

import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from qstash_on_loopback.delivery import Dispatcher
from qstash_on_loopback.message import Message, Refusal, new_id
from qstash_on_loopback.publish_options import read_message
from qstash_on_loopback.queues import Queues
from qstash_on_loopback.store import Store
from qstash_on_loopback.url_groups import UrlGroup, UrlGroups

if TYPE_CHECKING:
    from qstash_on_loopback.schedules import Schedule

INVALID_SCHEME = "endpoint has invalid scheme, add http:// or https://"


class Publisher:
    """Accepts messages, unless they are duplicates. Its methods raise Refusal."""

    def __init__(
        self,
        store: Store,
        dispatcher: Dispatcher,
        url_groups: UrlGroups,
        queues: Queues,
        *,
        hosts: Mapping[str, str],
        any_destination: bool,
    ) -> None:
        self._store, self._dispatcher = store, dispatcher
        self._url_groups, self._queues = url_groups, queues
        self._hosts, self._any_destination = hosts, any_destination

    def publish(
        self, destination: str, headers: Mapping[str, str], body: bytes, *, caller_ip: str, queue: str | None = None
    ) -> Any:
        """Publish, and return the answer of the API. ``headers`` have lower-case names."""
        if queue is not None:
            self._queues.of(queue)
        template = self.template(destination, headers, body, caller_ip=caller_ip, queue=queue)
        answers = [self._publish_once(message, headers) for message in self.messages(destination, template)]
        return answers if destination in self._url_groups.all else answers[0]

    def template(
        self, destination: str, headers: Mapping[str, str], body: bytes, *, caller_ip: str, queue: str | None = None
    ) -> Message:
        """The message described by a request. For a URL group, its ``url`` is empty."""
        group = self._group(destination)
        if group:
            headers = {**group.headers, **headers}
        else:
            self.check_destination(destination)
        message = read_message("" if group else destination, headers, body, caller_ip)
        message.queue, message.url_group = queue, group.name if group else None
        for callback in (message.callback, message.failure_callback):
            if callback:
                self.check_destination(callback.url)
        return message

    def messages(self, destination: str, template: Message) -> list[Message]:
        """The messages to publish: one, or one for each current endpoint of the URL group."""
        group = self._url_groups.all.get(destination)
        if group is None:
            return [template]
        return [
            replace(template, id=new_id(), url=url, endpoint=name, headers=dict(template.headers))
            for url, name in group.endpoints.items()
        ]

    def publish_scheduled(self, schedule: "Schedule") -> None:
        """Publish the messages of a schedule that fires."""
        for message in self.messages(schedule.destination, schedule.template.copy(schedule_id=schedule.id)):
            # The URL is empty if the URL group no longer exists.
            if message.url:
                self._dispatcher.accept(message)

    def check_destination(self, url: str) -> None:
        """Raises Refusal if messages may not be sent there."""
        try:
            parts = urlsplit(url)
            hostname, _ = parts.hostname, parts.port
        except ValueError:
            raise Refusal(400, "invalid destination url: it cannot be parsed") from None
        if parts.scheme not in ("http", "https"):
            raise Refusal(400, f"invalid destination url: {INVALID_SCHEME}")
        if not hostname:
            raise Refusal(400, "invalid destination url: endpoint has no host")
        if not (self._any_destination or parts.netloc in self._hosts or is_on_loopback(hostname)):
            hint = "start the server with --allow-any-destination, or map the host with --host-map"
            raise Refusal(400, f"invalid destination url: {hostname} is not on this machine ({hint})")

    def _group(self, destination: str) -> UrlGroup | None:
        if destination == "api" or destination.startswith("api/"):
            # https://upstash.com/docs/qstash/integrations/llm and .../resend
            raise Refusal(501, f"/v2/publish/{destination} is not available: this server does not call provider APIs")
        group = self._url_groups.all.get(destination)
        if group is None and destination and not {"/", ":", "."} & set(destination):
            raise Refusal(
                400, f"invalid destination url: {INVALID_SCHEME}. There is no URL group {destination!r} either"
            )
        return group

    def _publish_once(self, message: Message, headers: Mapping[str, str]) -> dict[str, Any]:
        where = {"url": message.url} if message.url_group else {}
        name = _deduplication_id(headers, message)
        if name:
            known = self._store.known_duplicate(name)
            if known:
                return {"messageId": known, "deduplicated": True, **where}
            self._store.remember(name, message.id)
        self._dispatcher.accept(message)
        return {"messageId": message.id, **where}


def is_on_loopback(hostname: str) -> bool:
    """Whether a host name or address is this machine's loopback."""
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return hostname == "localhost"


def _deduplication_id(headers: Mapping[str, str], message: Message) -> str | None:
    given = headers.get("upstash-deduplication-id")
    if given:
        if ":" in given:
            raise Refusal(400, "DeduplicationId cannot contain ':'")
        # Deduplicated per endpoint, so that each endpoint of a group gets its own message.
        return f"{given}:{message.url}" if message.url_group else given
    if headers.get("upstash-content-based-deduplication", "").lower() != "true":
        return None
    # From destination, body, content type and forwarded headers:
    # https://upstash.com/docs/qstash/features/deduplication
    forwarded = sorted(f"{name}={value}" for name, value in message.headers.items())
    content = "\n".join([message.url, *forwarded]).encode("utf-8", "replace") + b"\n" + message.body
    return "content:" + hashlib.sha256(content).hexdigest()
