"""Timing rules: backoff, durations, retry-delay expressions, and delays requested by a destination."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qstash_on_loopback.timing import backoff_s, evaluate_delay_ms, next_attempt_s, parse_duration, requested_delay_s

# Sun, 06 Nov 1994 08:49:37 GMT
THEN = 784111777.0


def test_the_documented_backoff() -> None:
    """12 s, 2 m 28 s, 30 m 8 s, 6 h 7 m, then a day."""
    assert [int(backoff_s(retry)) for retry in (1, 2, 3, 4, 5, 50)] == [12, 148, 1808, 22026, 86400, 86400]


@pytest.mark.parametrize(
    ("text", "seconds"), [("6m5s", 365), ("1d10h30m", 124200), ("250ms", 0.25), ("7", 7), ("1.5h", 5400), (" 3s ", 3)]
)
def test_durations_are_parsed(text: str, seconds: float) -> None:
    """In Go's format, extended by days, or as a number of seconds."""
    assert parse_duration(text) == pytest.approx(seconds)  # pyright: ignore[reportUnknownMemberType]


@pytest.mark.parametrize("text", ["", "s", "5 m", "-1s", "1y", "1m2", "NaN", "1e9", "\x00"])
def test_invalid_durations_are_refused(text: str) -> None:
    """With a message about durations."""
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("expression", "retried", "ms"),
    [
        ("1000", 0, 1000),
        ("pow(2, retried) * 1000", 3, 8000),
        ("min(86400000, exp(2.5 * (retried + 1)) * 1000)", 1, 148413.159),
        ("max(abs(-5), floor(2.9), ceil(1.1), round(2.4), sqrt(16))", 0, 5),
        ("-100", 0, 0),
    ],
)
def test_expressions_are_evaluated(expression: str, retried: int, ms: float) -> None:
    """With the documented functions, in milliseconds, never below 0."""
    assert evaluate_delay_ms(expression, retried) == pytest.approx(ms, rel=1e-6)  # pyright: ignore[reportUnknownMemberType]


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "x",
        "retried.real",
        "open('f')",
        "1/0",
        "pow(9, pow(9, 9))",
        "exp(1e9)",
        "[1]",
        "True",
        "'a'",
        "(" * 90,
        "1" * 300,
        "sqrt(-1)",
    ],
)
def test_invalid_expressions_are_refused(expression: str) -> None:
    """They are refused immediately, whatever they would do or cost."""
    with pytest.raises(ValueError):  # the message differs
        evaluate_delay_ms(expression, 0)


@given(st.text(max_size=60), st.integers(0, 5))
def test_any_text_is_refused_or_a_number(expression: str, retried: int) -> None:
    """Invalid text raises only ValueError."""
    with contextlib.suppress(ValueError):
        assert math.isfinite(evaluate_delay_ms(expression, retried))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30"}, 30),
        ({"retry-after": "Sun, 06 Nov 1994 08:50:07 GMT"}, 30),
        ({"retry-after": "Sun, 06 Nov 1994 08:00:00 GMT"}, 0),
        ({"x-ratelimit-reset-requests": "6m5s"}, 365),
        ({"retry-after": "soon", "x-ratelimit-reset": "9"}, 9),
        ({"retry-after": "86401"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_delays_requested_by_a_destination(headers: dict[str, str], seconds: float | None) -> None:
    """As seconds, a date or a duration. Values over a day and unreadable values are ignored."""
    assert requested_delay_s(headers, THEN) == seconds


def test_a_destination_delay_overrides_the_publisher_and_the_default() -> None:
    """An expression that fails for a later retry falls back to the default."""
    assert next_attempt_s(1, {"retry-after": "3"}, "9000", THEN) == 3
    assert next_attempt_s(1, {}, "9000", THEN) == 9
    assert next_attempt_s(2, {}, "1 / (retried - 1)", THEN) == backoff_s(2)
