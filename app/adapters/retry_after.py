"""Reads Retry-After from a provider's response."""

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from app.clock import deadline

# QStash ignores a Retry-After of more than a day: https://upstash.com/docs/qstash/features/retry
LONGEST_S = 86_400
# An HTTP date has 29 characters. Parsing takes time quadratic in the length.
MAX_LENGTH = 64
# The longest wait of an SDK's own retry, in seconds. QStash can wait longer without occupying a worker.
LONGEST_WAIT_S = 60


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> int | None:
    """Whole seconds from ``Retry-After`` (seconds or an HTTP date), or None if it is absent, unreadable or over a day."""
    seconds = _asked_s(headers, now)
    return math.ceil(seconds) if 0 <= seconds <= LONGEST_S else None  # also None for NaN


async def leave_long_waits_to_qstash(response: Any) -> None:
    """Tell the SDK that got ``response`` to raise instead of waiting past LONGEST_WAIT_S or the delivery's deadline.

    A response hook for the HTTP clients of OpenAI's and Anthropic's SDKs, which would sleep for as long as the provider asks.
    Their ``_should_retry`` reads the header that it sets.
    """
    left_s = deadline.get() - time.monotonic()
    if _asked_s(response.headers) > min(LONGEST_WAIT_S, left_s):
        response.headers["x-should-retry"] = "false"


def _asked_s(headers: Mapping[str, str], now: datetime | None = None) -> float:
    # In seconds, without an upper limit; nan if there is no readable Retry-After.
    value = headers.get("retry-after", "").strip()
    if not value or len(value) > MAX_LENGTH:
        return math.nan
    try:
        return float(value)
    except ValueError:
        try:
            return (parsedate_to_datetime(value) - (now or datetime.now(UTC))).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return math.nan
