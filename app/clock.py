"""Formats times for SQL and JSON (the ``timestamp(3)`` columns hold UTC without a zone), and holds the delivery's deadline."""

import math
from contextvars import ContextVar
from datetime import UTC, datetime

# When the current delivery has to end, as a time of ``time.monotonic``.
deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


def as_timestamp(moment: datetime) -> str:
    """``moment`` as a parameter that SQL casts to ``timestamp``: UTC, to the millisecond."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "milliseconds")


def as_json(moment: datetime) -> str:
    """``moment`` in the contract's date format.

    >>> as_json(datetime(2026, 2, 18, 9, 30, tzinfo=UTC))
    '2026-02-18T09:30:00.000Z'
    """
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat("T", "milliseconds") + "Z"
