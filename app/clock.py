"""Moments on their way into and out of the ``timestamp(3)`` columns, which hold UTC without saying so; the deadline."""

import math
from contextvars import ContextVar
from datetime import UTC, datetime

# When the work of the delivery at hand ends, in seconds of ``time.monotonic``.
deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


def as_timestamp(moment: datetime) -> str:
    """``moment`` as a parameter that SQL casts to ``timestamp``: UTC, to the millisecond."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "milliseconds")


def as_json(moment: datetime) -> str:
    """``moment`` as the contract writes dates.

    >>> as_json(datetime(2026, 2, 18, 9, 30, tzinfo=UTC))
    '2026-02-18T09:30:00.000Z'
    """
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat("T", "milliseconds") + "Z"
