"""Stored recordings that no session needs any more, and uploads that never came. Every function is safe to repeat."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import TypeAdapter

from app.database.client import Database
from app.database.statements import load_statements
from app.errors import AGAIN

SQL = load_statements(__file__)

# Maximum number of rows that one statement returns.
PAGE = 100
# The recording of a session that failed for good is kept for an operator's retry.
FAILED_AUDIO_KEPT_S = 24 * 3600
# An upload takes minutes at most.
UPLOAD_ABANDONED_AFTER_S = 3600


@dataclass(frozen=True)
class Leftover:
    """A session whose stored objects are no longer needed."""

    session_id: str
    user_id: str


@dataclass(frozen=True)
class Owner:
    """What the database knows about the session named in an object's key."""

    user_id: str
    session_id: str
    user_known: bool
    session_known: bool
    over: bool


_LEFTOVERS, _OWNERS = TypeAdapter(list[Leftover]), TypeAdapter(list[Owner])


async def drop_recording(db: Database, session_id: str) -> str | None:
    """Mark the recording of a finished session as deleted, and return the key of the object to delete. Idempotent.

    None if there is no object, or while the session may still be processed. Raises Unavailable.
    """
    rows = await db.write_rows(SQL["drop_recording"], session_id, AGAIN)
    key: str | None = rows[0]["audio_key"] if rows else None
    return key


async def uploads_that_never_came(db: Database) -> list[Leftover]:
    """Sessions whose recording never arrived. Raises Unavailable."""
    rows = await db.read_rows(SQL["uploads_that_never_came"], UPLOAD_ABANDONED_AFTER_S, PAGE)
    return _LEFTOVERS.validate_python(rows)


async def leftover_recordings(db: Database) -> list[Leftover]:
    """Finished sessions whose recording is still stored. Raises Unavailable."""
    rows = await db.read_rows(SQL["leftover_recordings"], FAILED_AUDIO_KEPT_S, AGAIN, PAGE)
    return _LEFTOVERS.validate_python(rows)


async def owners_of(db: Database, sessions: Iterable[tuple[str, str]]) -> list[Owner]:
    """What the database knows about sessions named in keys of the bucket, given as (user, session). Raises Unavailable."""
    return _OWNERS.validate_python(await db.read_rows(SQL["owners_of"], json.dumps(sorted(set(sessions)))))
