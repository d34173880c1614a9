"""Row ids in the format of Prisma's ``@default(cuid())``: 25 characters, ordered by time within a process.

Inserts in raw SQL need them, because PostgreSQL does not know this default. Format:
https://github.com/paralleldrive/cuid ("c", time, counter, fingerprint, random). The published Python port is unmaintained and
uses ``random``, which is predictable.
"""

import itertools
import os
import secrets
import time

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_BLOCK = 36**4
_counter = itertools.count(secrets.randbelow(_BLOCK // 2))


def new_cuid() -> str:
    """A new id, greater than every earlier one of this process (until the counter wraps after 800,000 ids)."""
    return (
        "c"
        + _base36(time.time_ns() // 1_000_000, 8)
        + _base36(next(_counter), 4)
        + _base36(os.getpid(), 2)
        + _base36(_MACHINE, 2)
        + _base36(secrets.randbelow(_BLOCK * _BLOCK), 8)
    )


def _base36(number: int, width: int) -> str:
    digits = ""
    for _ in range(width):
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits


_MACHINE = secrets.randbelow(36**2)
