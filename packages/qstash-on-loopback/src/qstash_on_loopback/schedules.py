"""Schedules: messages published at the times of a cron expression."""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from qstash_on_loopback.message import Message, Refusal


@dataclass
class Schedule:
    """A destination, its cron expression, and the message to copy at each firing."""

    cron: str
    template: Message = field(repr=False)
    id: str = field(default_factory=lambda: f"scd_{secrets.token_urlsafe(16)}")
    created_at: float = field(default_factory=time.time)
    delay_s: float = 0.0
    queue_name: str | None = None
    paused: bool = False
    last_at: float | None = None

    def next_at(self, after: float) -> float:
        """Unix seconds of the next firing after ``after``."""
        return next(_times(self.cron, after)).timestamp()

    def as_json(self) -> dict[str, Any]:
        """The schedule as the API answers it."""
        message = self.template.as_json()
        inherited = {
            "method",
            "header",
            "body",
            "bodyBase64",
            "timeout",
            "label",
            "retryDelayExpression",
            "callback",
            "failureCallback",
            "callerIP",
            "flowControlKey",
            "parallelism",
            "rate",
            "period",
        }
        answer: dict[str, Any] = {
            "scheduleId": self.id,
            "destination": self.template.url,
            "cron": self.cron,
            "createdAt": int(self.created_at * 1000),
            "retries": self.template.retries,
            "isPaused": self.paused,
            "nextScheduleTime": int(self.next_at(time.time()) * 1000),
            **{name: value for name, value in message.items() if name in inherited},
        }
        if self.delay_s:
            answer["delay"] = int(self.delay_s)
        if self.queue_name:
            answer["queueName"] = self.queue_name
        if self.last_at is not None:
            answer["lastScheduleTime"] = int(self.last_at * 1000)
        return answer


class Schedules:
    """All schedules. ``publish`` takes the copy made at each firing."""

    def __init__(self, publish: Callable[[Message], None], time_scale: float = 1.0) -> None:
        self._publish, self._scale = publish, time_scale
        self.all: dict[str, Schedule] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def put(
        self,
        cron: str,
        template: Message,
        schedule_id: str | None,
        *,
        delay_s: float = 0.0,
        queue_name: str | None = None,
    ) -> Schedule:
        """Create a schedule, or overwrite the one of that id. Raises Refusal for a bad cron expression.

        A firing's message waits for ``delay_s``. The queue is only noted: queues are not part of this server.
        """
        cron = cron.strip()
        try:
            next(_times(cron, time.time()))
        except (CronSimError, ZoneInfoNotFoundError, StopIteration, ValueError) as error:
            raise Refusal(400, f"invalid cron expression: {error}") from error
        schedule = Schedule(cron, template, delay_s=delay_s, queue_name=queue_name)
        if schedule_id:
            schedule.id = schedule_id
        template.schedule_id = schedule.id
        self.remove(schedule.id)
        self.all[schedule.id] = schedule
        self._tasks[schedule.id] = asyncio.create_task(self._run(schedule))
        return schedule

    def remove(self, schedule_id: str) -> bool:
        """Forget a schedule. False if there is none."""
        task = self._tasks.pop(schedule_id, None)
        if task:
            task.cancel()
        return self.all.pop(schedule_id, None) is not None

    def close(self) -> None:
        """Forget all of them."""
        for schedule_id in list(self.all):
            self.remove(schedule_id)

    async def _run(self, schedule: Schedule) -> None:
        after = time.time()
        while True:
            due = schedule.next_at(after)
            # Firings stay in the order of their times however short the waits are made.
            await asyncio.sleep(max(0.0, due - max(after, time.time() if self._scale == 1 else after)) * self._scale)
            after = due
            if not schedule.paused:
                schedule.last_at = time.time()
                not_before = time.time() + schedule.delay_s if schedule.delay_s else 0.0
                self._publish(schedule.template.copy(schedule_id=schedule.id, not_before=not_before))


def _times(cron: str, after: float) -> CronSim:
    """The times of an expression, in UTC or as ``CRON_TZ=Europe/Istanbul 0 4 * * *`` says: howto in features/schedules."""
    zone = ZoneInfo("UTC")
    if cron.startswith("CRON_TZ="):
        name, _, cron = cron.removeprefix("CRON_TZ=").partition(" ")
        zone = ZoneInfo(name)
    return CronSim(cron.strip(), datetime.fromtimestamp(after, zone))
