"""The verdicts of ``doctor`` for given facts: fine, wrong or unknown. Real deployments: tests/integration."""

from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from app.commands.checkups import judge_database
from app.commands.outside_checkups import judge_end
from app.commands.qstash_checkups import clock_advice, judge_queue, judge_schedule

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
SWEEP = "https://api.example.com/api/internal/sweep"
SCHEDULE = {
    "destination": SWEEP,
    "paused": False,
    "last_run": "2026-11-28T11:50:00.000Z",
    "last_states": {"m": "SUCCESS"},
}
DATABASE = {"tables": 6, "time_zone": "UTC", "max_connections": 100, "connections": 40, "now": 1000.0}


@pytest.mark.parametrize(
    ("changes", "wrong", "advice"),
    [
        ({}, "", ""),
        ({"tables": 5}, "database tables", "prisma migrate deploy"),
        ({"time_zone": "Europe/Berlin"}, "database time zone", "TimeZone=UTC"),
        ({"connections": 97}, "database connections", "connection_limit"),
        ({"now": 1003.5}, "database clock", "differs from this machine's by 4 s"),
        ({"now": 996.0}, "database clock", "differs"),
    ],
)
def test_database_verdicts(changes: dict[str, Any], wrong: str, advice: str) -> None:
    """Each point has its own verdict."""
    found = judge_database({**DATABASE, **changes}, 1000.0)

    assert len(found) == 4
    assert [(each.point, advice in each.advice) for each in found if each.verdict == "wrong"] == (
        [(wrong, True)] if wrong else []
    )


@pytest.mark.parametrize(
    ("schedule", "verdict", "advice"),
    [
        (SCHEDULE, "fine", "last run 2026-11-28T11:50"),
        (None, "wrong", "schedule install"),
        ({**SCHEDULE, "destination": "https://old.example.com/api/internal/sweep"}, "wrong", "schedule install"),
        ({**SCHEDULE, "paused": True}, "wrong", "paused"),
        ({**SCHEDULE, "last_run": "2026-11-28T11:29:00.000Z"}, "wrong", "not run since 2026-11-28T11:29"),
        ({**SCHEDULE, "last_run": None}, "unknown", "has not run yet"),
        ({**SCHEDULE, "last_states": {"m": "FAIL"}}, "wrong", "python -m app sweep"),
    ],
)
def test_schedule_verdicts(schedule: dict[str, Any] | None, verdict: str, advice: str) -> None:
    """The schedule must exist, be ours, not be paused, and have run within half an hour."""
    found = judge_schedule(schedule, SWEEP, NOW)

    assert found.verdict == verdict and advice in found.advice


def test_queue_verdicts() -> None:
    """Up to 120 messages per slot can be processed within half an hour."""
    assert judge_queue(None, 10).verdict == "unknown"
    assert judge_queue(1200, 10).verdict == "fine"
    assert judge_queue(1201, 10).verdict == "wrong" and "PARALLELISM" in judge_queue(1201, 10).advice


def test_qstash_clock_advice() -> None:
    """A difference of more than three seconds is wrong; without a header there is no verdict."""
    for seconds in (-60, 60):
        assert "synchronize" in clock_advice(
            format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
        )
    assert (
        clock_advice(format_datetime(datetime.now(UTC), usegmt=True)) == clock_advice("") == clock_advice("soon") == ""
    )


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [("", "fine"), ("2027-02-26", "fine"), ("2026-12-27", "wrong"), ("2026-01-01", "wrong"), ("soon", "unknown")],
)
def test_model_end_of_life_verdicts(ends: str, verdict: str) -> None:
    """A model that ends within a month is wrong, to leave time for testing its successor."""
    assert judge_end("model", ends, date(2026, 11, 28)).verdict == verdict
