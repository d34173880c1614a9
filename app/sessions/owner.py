"""What a learner does with sessions: start one, list, read, delete. Every statement is bound to the owner's external id.

Answers come out of PostgreSQL as JSON with the contract's keys in the contract's order, so that a row's shape is written
down once.
"""

import json
from dataclasses import dataclass
from typing import Any

from app.database.client import Database
from app.database.ids import new_cuid
from app.refusals import SessionNotFound, UserNotFound
from app.sessions.learner import Learner


@dataclass(frozen=True)
class NewSession:
    """A session just made: CREATED, its recording not stored yet. ``audio_key`` is where it will be, if that was said."""

    id: str
    user_id: str
    created_at: str
    audio_key: str | None


# "DO UPDATE" to the same value rather than "DO NOTHING": it waits for a first upload that is under way at the same moment
# and returns the row either way. updatedAt stays, so that later uploads leave no trace on the user.
_CREATE = """
WITH owner AS (
  INSERT INTO users (id, "externalId", email, "displayName", "createdAt", "updatedAt")
  VALUES ($1, $2, $3, $4, timezone('utc', clock_timestamp()), timezone('utc', clock_timestamp()))
  ON CONFLICT ("externalId") DO UPDATE SET "externalId" = excluded."externalId"
  RETURNING id
)
INSERT INTO speaking_sessions (id, "userId", status, "durationSecs", language, topic, "audioUrl", "createdAt", "updatedAt")
SELECT $5, owner.id, 'CREATED', $6::int, $7, $8, 'sessions/' || owner.id || '/' || $5 || '/audio.' || $9,
       timezone('utc', clock_timestamp()), timezone('utc', clock_timestamp())
  FROM owner
RETURNING id, "userId" AS user_id, "audioUrl" AS audio_key, to_char("createdAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created_at
"""


async def create(
    db: Database, learner: Learner, *, duration_s: int, topic: str | None, language: str, ending: str | None = None
) -> NewSession:
    """Make the session, and the user at the first one. With an ``ending`` its storage key is fixed. Raises Unavailable."""
    [row] = await db.write(
        _CREATE,
        *(new_cuid(), learner.external_id, learner.email, learner.name),
        *(new_cuid(), duration_s, language, topic, ending),
    )
    return NewSession(**row)


_UPLOADED = """
UPDATE speaking_sessions
   SET status = 'UPLOADED', "audioUrl" = $2, "updatedAt" = timezone('utc', clock_timestamp())
 WHERE id = $1 AND status = 'CREATED'
RETURNING id
"""


async def mark_uploaded(db: Database, session_id: str, audio_key: str) -> bool:
    """Record where the recording is stored. False if the session is not waiting for one (any more). Raises Unavailable."""
    return bool(await db.write(_UPLOADED, session_id, audio_key))


_STATE = """
SELECT s.id, s."userId" AS user_id, s.status::text AS status, s."audioUrl" AS audio_key, s."errorMessage" AS error_message,
       to_char(s."createdAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created_at
  FROM speaking_sessions s JOIN users u ON u.id = s."userId"
 WHERE u."externalId" = $1 AND s.id = $2
"""


@dataclass(frozen=True)
class State(NewSession):
    """A session that the learner may be about to complete."""

    status: str
    error_message: str | None


async def state_of(db: Database, learner: Learner, session_id: str) -> State:
    """How far a session is. Raises SessionNotFound, Unavailable."""
    rows = await db.read(_STATE, learner.external_id, session_id)
    if not rows:
        raise SessionNotFound
    return State(**rows[0])


_LIST = """
SELECT (SELECT count(*)::int FROM speaking_sessions s JOIN users u ON u.id = s."userId" WHERE u."externalId" = $1) AS total,
       array_to_json(ARRAY(
  SELECT json_build_object('id', s.id, 'status', s.status, 'durationSecs', s."durationSecs", 'language', s.language,
         'topic', s.topic, 'createdAt', to_char(s."createdAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
         'updatedAt', to_char(s."updatedAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
    FROM speaking_sessions s JOIN users u ON u.id = s."userId"
   WHERE u."externalId" = $1
   ORDER BY s."createdAt" DESC, s.id DESC LIMIT $2::int OFFSET $3::bigint))::text AS sessions
"""


async def list_page(db: Database, learner: Learner, *, page: int, limit: int) -> dict[str, Any]:
    """One page of the learner's sessions, newest first, with the total. Raises Unavailable."""
    [row] = await db.read(_LIST, learner.external_id, limit, (page - 1) * limit)
    return {"sessions": json.loads(row["sessions"]), "total": row["total"], "page": page, "limit": limit}


_FIND = """
SELECT (SELECT json_build_object('id', s.id, 'userId', s."userId", 'status', s.status, 'durationSecs', s."durationSecs",
         'language', s.language, 'topic', s.topic, 'promptUsed', s."promptUsed", 'audioUrl', s."audioUrl",
         'audioDeletedAt', to_char(s."audioDeletedAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
         'errorMessage', s."errorMessage", 'focusNext', s."focusNext",
         'createdAt', to_char(s."createdAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
         'updatedAt', to_char(s."updatedAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
         'transcript', (
           SELECT json_build_object('id', t.id, 'sessionId', t."sessionId", 'text', t.text, 'wordCount', t."wordCount")
             FROM transcripts t WHERE t."sessionId" = s.id AND right(t.text, 1) <> E'\\x1e'),
         'insights', array_to_json(ARRAY(
           SELECT json_build_object('id', i.id, 'sessionId', i."sessionId", 'category', i.category, 'pattern', i.pattern,
                  'detail', i.detail, 'frequency', i.frequency, 'severity', i.severity, 'examples', i.examples,
                  'suggestion', i.suggestion)
             FROM insights i WHERE i."sessionId" = s.id
            ORDER BY array_position(ARRAY['high', 'medium', 'low'], i.severity), i.id)))
          FROM speaking_sessions s WHERE s.id = $2 AND s."userId" = u.id)::text AS session
  FROM users u WHERE u."externalId" = $1
"""


async def find(db: Database, learner: Learner, session_id: str) -> dict[str, Any]:
    """The session with transcript and insights. Raises UserNotFound, SessionNotFound, Unavailable."""
    rows = await db.read(_FIND, learner.external_id, session_id)
    if not rows:
        raise UserNotFound
    if rows[0]["session"] is None:
        raise SessionNotFound
    return json.loads(rows[0]["session"])


_AUDIO_OF = """
SELECT s."audioUrl" AS audio_key, s."audioDeletedAt" IS NOT NULL AS audio_deleted, s.id AS session_id
  FROM users u LEFT JOIN speaking_sessions s ON s."userId" = u.id AND s.id = $2
 WHERE u."externalId" = $1
"""


async def audio_of(db: Database, learner: Learner, session_id: str) -> str | None:
    """The storage key of audio that is still there, if any. Raises UserNotFound, SessionNotFound, Unavailable."""
    rows = await db.read(_AUDIO_OF, learner.external_id, session_id)
    if not rows:
        raise UserNotFound
    if rows[0]["session_id"] is None:
        raise SessionNotFound
    return None if rows[0]["audio_deleted"] else rows[0]["audio_key"]


_DELETE = """DELETE FROM speaking_sessions WHERE id = $1 RETURNING id"""


async def delete(db: Database, session_id: str) -> None:
    """Delete the row; transcript and insights go with it. Raises SessionNotFound if it is gone already, Unavailable."""
    if not await db.write(_DELETE, session_id):
        raise SessionNotFound
