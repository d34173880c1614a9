"""What a learner does with sessions: start one, list, read, delete.

Every read is bound to the owner's external id. The other statements take an id that such a read, or ``create``, returned.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack

from pydantic import TypeAdapter

from app.database.client import Database
from app.database.ids import new_cuid
from app.database.statements import load_statements
from app.refusals import SessionNotFound, UserNotFound
from app.sessions.learner import Learner
from app.sessions.status import CREATED

SQL = load_statements(__file__)


@dataclass(frozen=True)
class NewSession:
    """A session just created, its recording not stored yet. ``audio_key`` is where it will be."""

    id: str
    user_id: str
    created_at: datetime
    audio_key: str


_NEW = TypeAdapter(list[NewSession])


class Details(TypedDict):
    """What the learner tells us about a recording."""

    duration_s: int
    topic: str | None
    language: str


async def create(db: Database, learner: Learner, ending: str, **details: Unpack[Details]) -> NewSession:
    """Create the session, and the user if it is their first. The storage key ends in ``audio.<ending>``. Raises Unavailable."""
    rows = await db.write_rows(
        SQL["create"],
        *(new_cuid(), learner.external_id, learner.email, learner.name),
        *(new_cuid(), details["duration_s"], details["language"], details["topic"], ending),
    )
    [session] = _NEW.validate_python(rows)
    return session


async def mark_uploaded(db: Database, session_id: str, audio_key: str) -> bool:
    """Record where the recording is stored. False if the session is not waiting for one (any more). Raises Unavailable."""
    return bool(await db.write_rows(SQL["mark_uploaded"], session_id, audio_key))


async def count_open_uploads(db: Database, session: NewSession, opened_within_s: int) -> int:
    """How many uploads the learner has open, up to and including this one. Raises Unavailable."""
    return await db.read(
        lambda client: client.speakingsession.count(
            where={
                "userId": session.user_id,
                "status": CREATED,
                "createdAt": {
                    "gt": session.created_at - timedelta(seconds=opened_within_s),
                    "lte": session.created_at,
                },
            }
        )
    )


@dataclass(frozen=True)
class StoredSession:
    """What completing or deleting a learner's session needs to know about it."""

    user_id: str
    status: str
    audio_key: str | None
    error_message: str | None
    created_at: datetime


_STORED = TypeAdapter(StoredSession)


async def find_stored(db: Database, learner: Learner, session_id: str) -> StoredSession:
    """The learner's session. Raises UserNotFound, SessionNotFound, Unavailable."""
    rows = await db.read_rows(SQL["find_stored"], learner.external_id, session_id)
    if not rows:
        raise UserNotFound
    if rows[0]["status"] is None:
        raise SessionNotFound
    return _STORED.validate_python(rows[0])


async def list_page(db: Database, learner: Learner, *, page: int, limit: int) -> dict[str, Any]:
    """One page of the learner's sessions, newest first, with the total. Raises Unavailable."""
    [row] = await db.read_rows(SQL["list"], learner.external_id, limit, (page - 1) * limit)
    return {"sessions": json.loads(row["sessions"]), "total": row["total"], "page": page, "limit": limit}


async def find(db: Database, learner: Learner, session_id: str) -> dict[str, Any]:
    """The session with transcript and insights. Raises UserNotFound, SessionNotFound, Unavailable."""
    rows = await db.read_rows(SQL["find"], learner.external_id, session_id)
    if not rows:
        raise UserNotFound
    if rows[0]["session"] is None:
        raise SessionNotFound
    return json.loads(rows[0]["session"])


async def delete(db: Database, session_id: str) -> None:
    """Delete the row; transcript and insights are deleted with it. Raises SessionNotFound if it is gone already, Unavailable."""
    if not await db.write(lambda client: client.speakingsession.delete_many(where={"id": session_id})):
        raise SessionNotFound
