"""Delivers messages: one task a message, attempts until one succeeds, the retries are used up or the destination says stop."""

import asyncio
import base64
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from qstash_on_loopback.flow_control import FlowControls
from qstash_on_loopback.message import Callback, Message, canonical
from qstash_on_loopback.publish_options import read_message
from qstash_on_loopback.signing import Keys
from qstash_on_loopback.store import Store
from qstash_on_loopback.timing import next_attempt_s

log = logging.getLogger("qstash")

NON_RETRYABLE_STATUS = 489
MAX_CONNECTIONS = 200
# Of an answer, this much is kept for the log, the dead letter queue and callbacks.
MAX_KEPT_BYTES = 100_000


@dataclass(frozen=True)
class Outcome:
    """What came of one attempt; status 0 means that nothing answered, ``error`` then says why."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = field(default=b"", repr=False)
    error: str = ""

    @property
    def ok(self) -> bool:
        """Only 200 to 299 count as delivered; redirects are not followed."""
        return 200 <= self.status <= 299

    @property
    def final(self) -> bool:
        """Whether the destination asked for no more retries: both the status and the header are needed."""
        header = self.headers.get("upstash-nonretryable-error", "")
        return self.status == NON_RETRYABLE_STATUS and header.lower() == "true"


class Dispatcher:
    """Takes messages and delivers them. ``time_scale`` shortens every wait alike; ``hosts`` maps a host to ``127.0.0.1:port``."""

    def __init__(
        self, keys: Keys, store: Store, *, time_scale: float = 1.0, hosts: Mapping[str, str] | None = None
    ) -> None:
        self._keys, self._ledger = keys, store
        self._scale, self._hosts = time_scale, dict(hosts or {})
        self.flow = FlowControls(time_scale)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        limits = httpx.Limits(max_connections=MAX_CONNECTIONS)
        self._client = httpx.AsyncClient(limits=limits, follow_redirects=False, trust_env=False)

    async def aclose(self) -> None:
        """Stop delivering."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    def accept(self, message: Message) -> None:
        """Deliver ``message`` from now on."""
        self._ledger.created(message)
        task = asyncio.create_task(self._deliver_for_certain(message))
        self._tasks[message.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(message.id, None))

    def cancel(self, message_id: str) -> bool:
        """Stop delivering a message. False if it is not on its way (any more)."""
        message = self._ledger.pending.get(message_id)
        if message is None:
            return False
        message.cancelled = True
        task = self._tasks.get(message_id)
        if task:
            task.cancel()
        self._ledger.ended(message, "CANCELED")
        return True

    async def _deliver_for_certain(self, message: Message) -> None:
        try:
            await self._deliver(message)
        except Exception as error:
            # A defect of this server's must not lose a message without a word.
            log.exception("%s could not be delivered", message.id)
            self._give_up(message, Outcome(0, error=f"the local server failed: {type(error).__name__}"))

    async def _deliver(self, message: Message) -> None:
        await self._pause(message.not_before - time.time())
        while True:
            async with self.flow.slot(message.flow_control):
                outcome = await self._attempt(message)
            if message.callback:
                self._report(message, message.callback, outcome)
            if outcome.ok:
                self._ledger.ended(message, "DELIVERED", status=outcome.status)
                return
            if outcome.final or message.retried >= message.retries:
                self._give_up(message, outcome)
                return
            wait_s = next_attempt_s(message.retried + 1, outcome.headers, message.retry_delay, time.time())
            self._ledger.event(message, "RETRY", status=outcome.status, next_s=wait_s)
            await self._pause(wait_s)
            message.retried += 1

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            await asyncio.sleep(seconds * self._scale)

    async def _attempt(self, message: Message) -> Outcome:
        self._ledger.event(message, "ACTIVE")
        started = time.monotonic()
        try:
            async with asyncio.timeout(message.timeout_s):
                outcome = await self._send(message)
        except TimeoutError:
            outcome = Outcome(0, error="the destination did not answer in time")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            outcome = Outcome(0, error=f"could not reach the destination: {type(error).__name__}")
        took_ms = (time.monotonic() - started) * 1000
        log.info(
            "%s attempt=%d status=%s url=%s took_ms=%.0f",
            message.id,
            message.retried + 1,
            outcome.status or outcome.error,
            message.url,
            took_ms,
        )
        if not outcome.ok:
            self._ledger.event(message, "ERROR", status=outcome.status, error=outcome.error)
        return outcome

    async def _send(self, message: Message) -> Outcome:
        headers = {
            **message.headers,
            "user-agent": "Upstash-QStash",
            "upstash-signature": self._keys.sign(message.url, message.body),
            "upstash-message-id": message.id,
            "upstash-retried": str(message.retried),
            "upstash-caller-ip": message.caller_ip,
            "upstash-region": "EU-CENTRAL-1",
        }
        if message.schedule_id:
            headers["upstash-schedule-id"] = message.schedule_id
        url, host = self._mapped(message.url)
        if host:
            headers["host"] = host
        async with self._client.stream(
            message.method, url, headers=headers, content=message.body, timeout=None
        ) as response:
            kept = bytearray()
            async for chunk in response.aiter_bytes():
                kept += chunk[: MAX_KEPT_BYTES - len(kept)]
            return Outcome(response.status_code, response.headers, bytes(kept))

    def _mapped(self, url: str) -> tuple[str, str | None]:
        # The signature names the public address, the connection goes to where it lives in a test.
        parts = urlsplit(url)
        target = self._hosts.get(parts.netloc)
        return (parts._replace(scheme="http", netloc=target).geturl(), parts.netloc) if target else (url, None)

    def _give_up(self, message: Message, outcome: Outcome) -> None:
        dlq_id = self._ledger.dead_letter(message, outcome.status, dict(outcome.headers), outcome.body, outcome.error)
        if message.failure_callback:
            self._report(message, message.failure_callback, outcome, dlq_id)

    def _report(self, message: Message, callback: Callback, outcome: Outcome, dlq_id: str | None = None) -> None:
        body: dict[str, Any] = {
            "status": outcome.status,
            "header": {canonical(name): [value] for name, value in outcome.headers.items()},
            "body": base64.b64encode(outcome.body or outcome.error.encode()).decode(),
            "retried": message.retried,
            "maxRetries": message.retries,
            "sourceMessageId": message.id,
            "url": message.url,
            "method": message.method,
            "sourceHeader": {canonical(name): [value] for name, value in message.headers.items()},
            "sourceBody": base64.b64encode(message.body).decode(),
            "notBefore": str(int(message.not_before * 1000)),
            "createdAt": str(int(message.created_at * 1000)),
            "scheduleId": message.schedule_id or "",
            "callerIP": message.caller_ip,
        }
        if dlq_id:
            body["dlqId"] = dlq_id
        headers = {"upstash-retries": str(message.retries), **callback.headers, "content-type": "application/json"}
        self.accept(read_message(callback.url, headers, json.dumps(body).encode()))
