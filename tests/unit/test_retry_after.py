"""The Retry-After header of providers."""

import asyncio
import time
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.retry_after import LONGEST_S, leave_long_waits_to_qstash, retry_after_s
from app.clock import deadline

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.integers(0, LONGEST_S))
def test_seconds_and_dates_are_parsed(seconds: int) -> None:
    """A number of seconds, or an HTTP date."""
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)

    assert retry_after_s({"retry-after": str(seconds)}) == retry_after_s({"retry-after": date}, NOW) == seconds


@given(
    st.text()
    | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,9} [0-9:]{1,12} [-+GMT0-9]{0,9}", fullmatch=True)
)
def test_other_values_are_ignored_or_bounded(value: str) -> None:
    """Any other value gives a wait of at most a day, or None."""
    seconds = retry_after_s({"retry-after": value}, NOW)

    assert seconds is None or 0 <= seconds <= LONGEST_S


@pytest.mark.parametrize(
    "value", ["", "-1", "86401", "soon", "nan", "inf", "9" * 100_000, "Mon, 01 Jan 2024 00:00:00 GMT"]
)
def test_invalid_values_are_ignored(value: str) -> None:
    """Values that are empty, in the past, over a day, or unreadable."""
    assert retry_after_s({"retry-after": value}, NOW) is None


def test_a_fraction_of_a_second_is_rounded_up() -> None:
    """A retry that is too early would be refused again."""
    assert retry_after_s({"retry-after": "0.2"}) == 1


@dataclass
class Answered:
    """A response as passed to an SDK's hook."""

    headers: dict[str, str] = field(default_factory=dict[str, str])


@pytest.mark.parametrize(
    ("asked", "left_s", "is_told"),
    [
        ("30", None, False),
        ("61", None, True),
        ("30", 20, True),
        ("10", 20, False),
        ("soon", 20, False),
        ("", 20, False),
    ],
)
def test_the_sdk_does_not_wait_past_the_deadline_or_a_minute(asked: str, left_s: float | None, is_told: bool) -> None:
    """For such waits the SDK is told to raise an error; it handles shorter waits itself."""
    answered = Answered({"retry-after": asked} if asked else {})

    def run() -> None:
        if left_s is not None:
            deadline.set(time.monotonic() + left_s)
        asyncio.run(leave_long_waits_to_qstash(answered))

    copy_context().run(run)
    assert ("x-should-retry" in answered.headers) == is_told
