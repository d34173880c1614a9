"""When a provider asks us to come back, from the headers of its response."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# QStash ignores a Retry-After of more than a day: https://upstash.com/docs/qstash/features/retry
LONGEST_S = 86_400
# An HTTP date has 29 characters. Parsing takes time that grows with the square of the length.
MAX_LENGTH = 64


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> int | None:
    """Whole seconds from ``Retry-After`` (seconds or an HTTP date), or None if it is absent, unreadable or over a day."""
    value = headers.get("retry-after", "").strip()
    if len(value) > MAX_LENGTH:
        return None
    try:
        seconds = float(value) if value else math.nan
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - (now or datetime.now(UTC))).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    if not 0 <= seconds <= LONGEST_S:  # also false for nan
        return None
    return math.ceil(seconds)
