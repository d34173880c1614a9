"""Delivers messages: retries until an attempt succeeds, the retries are exhausted, or the destination asks to stop.

A message that is not due yet is an entry in a heap. A message that is due passes four gates in order: its queue, its
flow control key, its destination and the whole server. Only a running attempt has a task and a connection.
"""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from qstash_on_loopback import callbacks
from qstash_on_loopback.clock import Clock
from qstash_on_loopback.flow_control import FlowControls, FlowKey
from qstash_on_loopback.gates import Gate
from qstash_on_loopback.message import Callback, Message
from qstash_on_loopback.queues import Queue, Queues
from qstash_on_loopback.sender import Outcome, Sender
from qstash_on_loopback.store import Store
from qstash_on_loopback.timers import Timer, Timers
from qstash_on_loopback.timing import next_attempt_s

log = logging.getLogger("qstash_on_loopback")

DEFAULT_PARALLELISM = 400
# Attempts to start before yielding to the event loop.
STARTS_AT_ONCE = 4
MAX_IDLE_DESTINATIONS = 1_000


@dataclass(slots=True, eq=False)
class _Delivery:
    """The state of a message between publication and its final result."""

    message: Message
    timer: Timer | None = None
    # Of the current attempt: the gates still to pass, those already passed, and the one it is waiting at.
    ahead: list[Gate] = field(default_factory=list[Gate])
    passed: list[Gate] = field(default_factory=list[Gate])
    waits_at: Gate | None = None
    queue: Queue | None = None
    # The slot in the queue is held until the message and its callbacks are done.
    holds_queue: bool = False
    task: asyncio.Task[None] | None = None
    open_callbacks: int = 0
    ended: bool = False
    reports_on: "_Delivery | None" = None


class Dispatcher:
    """Delivers messages: at most ``parallelism`` concurrently, and at most half of that to one destination."""

    def __init__(
        self,
        clock: Clock,
        timers: Timers,
        store: Store,
        sender: Sender,
        flow_controls: FlowControls,
        queues: Queues,
        parallelism: int = DEFAULT_PARALLELISM,
    ) -> None:
        self._clock, self._timers, self._store, self._sender = clock, timers, store, sender
        self._flow_controls, self._queues = flow_controls, queues
        self.server_gate = Gate(parallelism)
        self._destinations: dict[str, Gate] = {}
        self._deliveries: dict[str, _Delivery] = {}
        self._startable: deque[_Delivery] = deque()
        self._idle = asyncio.Event()
        self._closed = False

    def resume(self) -> None:
        """Resume delivery of the messages in the store."""
        for message in self._store.pending.values():
            self._take(message)

    async def aclose(self) -> None:
        """Stop delivering."""
        self._closed = True
        tasks = [each.task for each in self._deliveries.values() if each.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._sender.aclose()

    def accept(self, message: Message) -> None:
        """Store ``message`` and start delivering it."""
        if message.delay_s and not message.not_before:
            message.not_before = self._clock.shown() + message.delay_s
        message.next_attempt_at = message.not_before
        self._store.created(message)
        self._take(message)

    def cancel(self, message_id: str) -> bool:
        """Cancel a message. False if it is not pending (any more)."""
        delivery = self._deliveries.get(message_id)
        if delivery is None:
            return False
        self._store.ended(delivery.message, "CANCELED")
        if delivery.timer:
            delivery.timer.cancel()
        if delivery.waits_at:
            delivery.waits_at.withdraw(message_id)
        if delivery.task:
            delivery.task.cancel()
        _leave(delivery.passed)
        self._end(delivery)
        return True

    def waits_for(self, message_id: str) -> str:
        """What a message waits for: ``time``, ``queue``, ``flow control``, ``destination``, ``server``, ``answer``."""
        delivery = self._deliveries[message_id]
        if delivery.task:
            return "answer"
        if delivery.timer:
            return "time"
        match delivery.waits_at:
            case Queue():
                return "queue"
            case FlowKey():
                return "flow control"
            case gate:
                return "server" if gate in (self.server_gate, None) else "destination"

    async def until_idle(self) -> None:
        """Wait until no attempt is running or can start."""
        while self.server_gate.running:
            self._idle.clear()
            await self._idle.wait()

    def _take(self, message: Message) -> None:
        delivery = _Delivery(message)
        self._deliveries[message.id] = delivery
        if message.flow_control:
            self._flow_controls.of(message.flow_control)
        if message.queue:
            delivery.queue = self._queues.of(message.queue)
            delivery.queue.lag += 1
        self._wait(delivery)

    def _wait(self, delivery: _Delivery) -> None:
        due = self._clock.now()
        if at := delivery.message.next_attempt_at:
            due = max(due, self._clock.due_at(at))
        delivery.timer = self._timers.at(due, self._due, delivery)

    def _due(self, delivery: _Delivery) -> None:
        message, delivery.timer = delivery.message, None
        delivery.ahead = [self.server_gate, self._destination(message.url)]
        if message.flow_control:
            delivery.ahead.append(self._flow_controls.key(message.flow_control.key))
        if delivery.queue and not delivery.holds_queue:
            delivery.ahead.append(delivery.queue)
        self._advance(delivery)

    def _advance(self, delivery: _Delivery) -> None:
        if delivery.waits_at is delivery.queue:
            delivery.holds_queue = delivery.queue is not None
        elif delivery.waits_at:
            delivery.passed.append(delivery.waits_at)
        delivery.waits_at = None
        if delivery.ahead:
            delivery.waits_at = delivery.ahead.pop()
            delivery.waits_at.enter(delivery.message.id, lambda: self._advance(delivery))
            return
        self._startable.append(delivery)
        if len(self._startable) == 1:
            asyncio.get_running_loop().call_soon(self._start_some)

    def _start_some(self) -> None:
        for _ in range(min(STARTS_AT_ONCE, len(self._startable))):
            delivery = self._startable.popleft()
            if not delivery.ended and not self._closed:
                self._start(delivery)
        if self._startable:
            asyncio.get_running_loop().call_soon(self._start_some)

    def _start(self, delivery: _Delivery) -> None:
        gates, delivery.passed = delivery.passed, []

        def on_done(_: asyncio.Task[None]) -> None:
            _leave(gates)
            if not self.server_gate.running:
                self._idle.set()

        delivery.task = asyncio.create_task(self._attempt(delivery))
        # A callback and not code in the task, because a task that is cancelled before its first step never runs.
        delivery.task.add_done_callback(on_done)

    async def _attempt(self, delivery: _Delivery) -> None:
        message = delivery.message
        try:
            self._store.event(message, "ACTIVE")
            outcome = await self._sender.send(message)
            delivery.task = None
            self._conclude(delivery, outcome)
        except Exception as error:
            # A bug in this server must not lose a message silently.
            log.exception("%s could not be delivered", message.id)
            delivery.task = None
            self._give_up(delivery, Outcome(0, error=f"the local server failed: {type(error).__name__}"))

    def _conclude(self, delivery: _Delivery, outcome: Outcome) -> None:
        message = delivery.message
        log.info(
            "%s attempt=%d status=%s url=%s took_ms=%.0f",
            message.id,
            message.retried + 1,
            outcome.status or outcome.error,
            message.url,
            outcome.took_s * 1000,
        )
        if not outcome.ok:
            self._store.event(message, "ERROR", status=outcome.status, error=outcome.error)
        if message.callback:
            self._report(delivery, message.callback, outcome)
        if outcome.ok:
            self._store.ended(message, "DELIVERED", status=outcome.status)
            self._end(delivery)
        elif outcome.final or message.retried >= message.retries:
            self._give_up(delivery, outcome)
        else:
            now = self._clock.shown()
            wait_s = next_attempt_s(message.retried + 1, outcome.headers, message.retry_delay, now)
            message.next_attempt_at = now + wait_s
            self._store.event(message, "RETRY", status=outcome.status, next_at=message.next_attempt_at)
            message.retried += 1
            self._store.keep(message)
            self._wait(delivery)

    def _give_up(self, delivery: _Delivery, outcome: Outcome) -> None:
        message = delivery.message
        dlq_id = self._store.dead_letter(message, outcome.status, dict(outcome.headers), outcome.body, outcome.error)
        if message.failure_callback:
            self._report(delivery, message.failure_callback, outcome, dlq_id)
        self._end(delivery)

    def _report(self, delivery: _Delivery, callback: Callback, outcome: Outcome, dlq_id: str | None = None) -> None:
        message = callbacks.report(delivery.message, callback, outcome, dlq_id)
        self.accept(message)
        self._deliveries[message.id].reports_on = delivery
        delivery.open_callbacks += 1

    def _end(self, delivery: _Delivery) -> None:
        delivery.ended = True
        self._deliveries.pop(delivery.message.id, None)
        if delivery.queue:
            delivery.queue.lag -= 1
        _leave_queue(delivery)
        if delivery.reports_on:
            delivery.reports_on.open_callbacks -= 1
            _leave_queue(delivery.reports_on)

    def _destination(self, url: str) -> Gate:
        host = urlsplit(url).netloc
        gate = self._destinations.get(host)
        if gate is None:
            if len(self._destinations) >= MAX_IDLE_DESTINATIONS:
                self._destinations = {
                    name: one for name, one in self._destinations.items() if one.running or one.waiting
                }
            limit = self.server_gate.limit or 2
            gate = self._destinations[host] = Gate(max(1, limit // 2))
        return gate


def _leave(gates: list[Gate]) -> None:
    while gates:
        gates.pop().leave()


def _leave_queue(delivery: _Delivery) -> None:
    # "Next message will wait for callbacks or failure callbacks to finish": features/queues
    if delivery.queue and delivery.holds_queue and delivery.ended and not delivery.open_callbacks:
        delivery.holds_queue = False
        delivery.queue.leave()
