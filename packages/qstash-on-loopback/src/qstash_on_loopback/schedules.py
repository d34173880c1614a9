"""Schedules: publish messages by a cron expression. https://upstash.com/docs/qstash/features/schedules"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from qstash_on_loopback.clock import Clock
from qstash_on_loopback.message import Message, Refusal
from qstash_on_loopback.persistence import Persistence
from qstash_on_loopback.records import from_record, to_record
from qstash_on_loopback.timers import Timer, Timers

KIND = "schedule"
_SHOWN_OF_MESSAGE = {
    *("method", "header", "body", "bodyBase64", "timeout", "label", "labels", "retryDelayExpression", "callback"),
    *("failureCallback", "callerIP", "flowControlKey", "parallelism", "rate", "period", "queueName"),
}


@dataclass(slots=True)
class Schedule:
    """A schedule: a destination (URL or URL group), a cron expression, and the message to copy each time it fires."""

    id: str
    cron: str
    destination: str
    template: Message = field(repr=False)
    created_at: float
    paused: bool = False
    last_at: float | None = None

    def next_at(self, after: float) -> float:
        """When the schedule fires next after ``after``, in Unix seconds."""
        return next(_times(self.cron, after)).timestamp()

    def as_json(self, now: float) -> dict[str, Any]:
        """The schedule as the API returns it. ``now`` is in Unix seconds."""
        answer: dict[str, Any] = {
            "scheduleId": self.id,
            "destination": self.destination,
            "cron": self.cron,
            "createdAt": int(self.created_at * 1000),
            "retries": self.template.retries,
            "isPaused": self.paused,
            "nextScheduleTime": int(self.next_at(now) * 1000),
            **{name: value for name, value in self.template.as_json().items() if name in _SHOWN_OF_MESSAGE},
        }
        if self.template.delay_s:
            answer["delay"] = int(self.template.delay_s)
        if self.last_at is not None:
            answer["lastScheduleTime"] = int(self.last_at * 1000)
        return answer


class Schedules:
    """All schedules. ``publish`` is called with a schedule each time it fires."""

    def __init__(
        self, clock: Clock, timers: Timers, persistence: Persistence, publish: Callable[[Schedule], None]
    ) -> None:
        self._clock, self._timers, self._persistence, self._publish = clock, timers, persistence, publish
        self.all: dict[str, Schedule] = {}
        self._waiting: dict[str, Timer] = {}
        for schedule_id, kept in persistence.all(KIND):
            template = from_record(kept.pop("template"))
            self.all[schedule_id] = Schedule(**kept, template=template)

    def resume(self) -> None:
        """Resume the schedules in the store."""
        for schedule in self.all.values():
            self._wait(schedule, self._clock.now())

    def put(self, cron: str, destination: str, template: Message, schedule_id: str | None) -> Schedule:
        """Create a schedule, or overwrite the one with that id. Raises Refusal if the cron expression is invalid."""
        cron = cron.strip()
        now = self._clock.shown()
        try:
            next(_times(cron, now))
        except (CronSimError, ZoneInfoNotFoundError, StopIteration, ValueError) as error:
            raise Refusal(400, f"invalid cron expression: {error}") from error
        schedule = Schedule(schedule_id or f"scd_{secrets.token_urlsafe(16)}", cron, destination, template, now)
        template.schedule_id = schedule.id
        self.remove(schedule.id)
        self.all[schedule.id] = schedule
        self._keep(schedule)
        self._wait(schedule, self._clock.now())
        return schedule

    def set_paused(self, schedule: Schedule, *, paused: bool) -> None:
        """Pause or resume a schedule."""
        schedule.paused = paused
        self._keep(schedule)

    def remove(self, schedule_id: str) -> bool:
        """Remove a schedule. False if it does not exist."""
        timer = self._waiting.pop(schedule_id, None)
        if timer:
            timer.cancel()
        self._persistence.remove(KIND, schedule_id)
        return self.all.pop(schedule_id, None) is not None

    def _wait(self, schedule: Schedule, after: float) -> None:
        # Uses internal time, so that schedules fire in order however fast the clock runs.
        self._waiting[schedule.id] = self._timers.at(schedule.next_at(after), self._fire, schedule)

    def _fire(self, schedule: Schedule) -> None:
        # A fast clock must not skip runs, but after the machine has slept, missed runs must not be made up.
        due = self._waiting[schedule.id].due
        self._wait(schedule, self._clock.now() if self._clock.scale == 1 else due)
        if not schedule.paused:
            schedule.last_at = self._clock.shown()
            self._keep(schedule)
            self._publish(schedule)

    def _keep(self, schedule: Schedule) -> None:
        kept = {
            name: getattr(schedule, name) for name in ("id", "cron", "destination", "created_at", "paused", "last_at")
        }
        self._persistence.put(KIND, schedule.id, {**kept, "template": to_record(schedule.template)})


def _times(cron: str, after: float) -> CronSim:
    """The times of a cron expression. UTC, unless it names a zone: ``CRON_TZ=Europe/Istanbul 0 4 * * *``."""
    zone = ZoneInfo("UTC")
    if cron.startswith("CRON_TZ="):
        name, _, cron = cron.removeprefix("CRON_TZ=").partition(" ")
        zone = ZoneInfo(name)
    return CronSim(cron.strip(), datetime.fromtimestamp(after, zone))
