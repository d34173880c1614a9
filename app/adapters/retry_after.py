"""A provider's own wish for when to come back, read from its response headers."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# QStash ignores a wish of more than a day: https://upstash.com/docs/qstash/features/retry
LONGEST_S = 86_400


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> int | None:
    """Whole seconds from ``Retry-After`` (seconds or an HTTP date), or None if it is absent, unreadable or over a day."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value) if value else math.nan
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - (now or datetime.now(UTC))).total_seconds()
        except (ValueError, TypeError):
            return None
    if not 0 <= seconds <= LONGEST_S:  # also false for nan
        return None
    return math.ceil(seconds)
