"""When a provider asks us to come back."""

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
def test_both_spellings_are_read(seconds: int) -> None:
    """A number of seconds, or an HTTP date."""
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)

    assert retry_after_s({"retry-after": str(seconds)}) == retry_after_s({"retry-after": date}, NOW) == seconds


@given(
    st.text()
    | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,9} [0-9:]{1,12} [-+GMT0-9]{0,9}", fullmatch=True)
)
def test_anything_else_is_no_wait(value: str) -> None:
    """Whatever a proxy on the way writes: a wait of at most a day, or None."""
    seconds = retry_after_s({"retry-after": value}, NOW)

    assert seconds is None or 0 <= seconds <= LONGEST_S


@pytest.mark.parametrize(
    "value", ["", "-1", "86401", "soon", "nan", "inf", "9" * 100_000, "Mon, 01 Jan 2024 00:00:00 GMT"]
)
def test_what_is_ignored(value: str) -> None:
    """Absent, past, over a day, unreadable."""
    assert retry_after_s({"retry-after": value}, NOW) is None


def test_part_of_a_second_is_waited_for_whole() -> None:
    """Coming early would be refused again."""
    assert retry_after_s({"retry-after": "0.2"}) == 1


@dataclass
class Answered:
    """A response to a hook."""

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
def test_a_wait_past_the_deadline_or_a_minute_is_not_the_sdks(asked: str, left_s: float | None, is_told: bool) -> None:
    """The SDK is told to raise; any other wait is its own."""
    answered = Answered({"retry-after": asked} if asked else {})

    def run() -> None:
        if left_s is not None:
            deadline.set(time.monotonic() + left_s)
        asyncio.run(leave_long_waits_to_qstash(answered))

    copy_context().run(run)
    assert ("x-should-retry" in answered.headers) == is_told
