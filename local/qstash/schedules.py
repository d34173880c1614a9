"""Schedules: messages published at the times of a cron expression."""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cronsim import CronSim, CronSimError

from local.qstash.message import Message, Refusal


@dataclass
class Schedule:
    """A destination, its cron expression in UTC, and the message to copy at each firing."""

    cron: str
    template: Message = field(repr=False)
    id: str = field(default_factory=lambda: f"scd_{secrets.token_urlsafe(16)}")
    created_at: float = field(default_factory=time.time)
    paused: bool = False
    last_at: float | None = None

    def next_at(self, after: float) -> float:
        """Unix seconds of the next firing after ``after``."""
        return next(CronSim(self.cron, datetime.fromtimestamp(after, UTC))).timestamp()

    def as_json(self) -> dict[str, Any]:
        """The schedule as the API answers it."""
        message = self.template.as_json()
        inherited = {"method", "header", "body", "callback", "failureCallback", "callerIP", "label", "flowControlKey"}
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
        if self.last_at is not None:
            answer["lastScheduleTime"] = int(self.last_at * 1000)
        return answer


class Schedules:
    """All schedules. ``publish`` takes the copy made at each firing."""

    def __init__(self, publish: Callable[[Message], None], time_scale: float = 1.0) -> None:
        self._publish, self._scale = publish, time_scale
        self.all: dict[str, Schedule] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def put(self, cron: str, template: Message, schedule_id: str | None) -> Schedule:
        """Create a schedule, or overwrite the one of that id. Raises Refusal for a bad cron expression."""
        try:
            CronSim(cron, datetime.now(UTC))
        except CronSimError as error:
            raise Refusal(400, f"invalid cron expression: {error}") from error
        schedule = Schedule(cron, template)
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
                self._publish(schedule.template.copy(schedule_id=schedule.id))
