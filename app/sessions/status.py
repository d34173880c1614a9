"""The statuses of a session, typed for Prisma's calls.

At run time they are plain strings, so that nothing has to import Prisma (0.3 s). tests/unit/test_house.py compares them with
the schema's enum.
"""

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from prisma.enums import SessionStatus

CREATED = cast("SessionStatus", "CREATED")
UPLOADED = cast("SessionStatus", "UPLOADED")
TRANSCRIBING = cast("SessionStatus", "TRANSCRIBING")
ANALYZING = cast("SessionStatus", "ANALYZING")
DONE = cast("SessionStatus", "DONE")
FAILED = cast("SessionStatus", "FAILED")
