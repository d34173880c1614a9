"""Stored recordings that are no longer needed, and abandoned uploads. Every function is safe to repeat."""

import json
from dataclasses import dataclass

from app.database.client import Database
from app.database.statements import load_statements
from app.errors import AGAIN
from app.sessions.repair import ROWS_PER_PAGE

SQL = load_statements(__file__)

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
class ObjectState:
    """What the database knows about the session named in an object's key. ``over``: its recording may be deleted."""

    key: str
    user_known: bool
    session_known: bool
    over: bool


async def drop_recording(db: Database, session_id: str) -> str | None:
    """Mark the recording of a finished session as deleted, and return the key of the object to delete. Idempotent.

    None if there is no object, or while the session may still be processed. Raises Unavailable.
    """
    rows = await db.write_rows(SQL["drop_recording"], session_id, AGAIN)
    return rows[0]["audio_key"] if rows else None


async def abandoned_uploads(db: Database) -> list[Leftover]:
    """Sessions whose recording never arrived. Raises Unavailable."""
    rows = await db.read_rows(SQL["abandoned_uploads"], UPLOAD_ABANDONED_AFTER_S, ROWS_PER_PAGE)
    return [Leftover(**row) for row in rows]


async def leftover_recordings(db: Database) -> list[Leftover]:
    """Finished sessions whose recording is still stored. Raises Unavailable."""
    rows = await db.read_rows(SQL["leftover_recordings"], FAILED_AUDIO_KEPT_S, AGAIN, ROWS_PER_PAGE)
    return [Leftover(**row) for row in rows]


async def object_states(db: Database, keys: list[str]) -> dict[str, ObjectState]:
    """What the database knows about the sessions named in these keys of the bucket. Raises Unavailable."""
    return {row["key"]: ObjectState(**row) for row in await db.read_rows(SQL["object_states"], json.dumps(keys))}
