"""What is mended outside a delivery: sessions that QStash gave up, uploads it never heard of, audio that outstayed."""

from dataclasses import dataclass

from app.database.client import Database, Row
from app.errors import InvalidState

# So many sessions of each kind in one sweep: a sweep ends within a request, and the next one takes the rest.
BATCH = 50
# Long enough for QStash to have delivered, short enough for someone who waits.
UNDELIVERED_AFTER_S = 15 * 60
# After the lease is over, so that a retry that QStash has under way comes first.
LEASE_MARGIN_S = 60
# What has not been processed by then will not be: a recording that kills its worker would go round for ever.
GIVE_UP_AFTER_S = 24 * 3600
# A failed session's recording is kept so long for an operator's retry.
FAILED_AUDIO_KEPT_S = 24 * 3600
# An upload takes minutes at most.
UPLOAD_ABANDONED_AFTER_S = 3600


@dataclass(frozen=True)
class Leftover:
    """A session that needs something done. ``age_s`` since it was made; ``version`` changes whenever its row does."""

    session_id: str
    user_id: str
    audio_key: str | None
    age_s: int
    version: str


# FAILED unless it is DONE or FAILED, or somebody is at work on it.
_GIVE_UP = """
WITH changed AS (
  UPDATE speaking_sessions SET status = 'FAILED', "errorMessage" = $2, "updatedAt" = timezone('utc', clock_timestamp())
   WHERE id = $1 AND status NOT IN ('DONE', 'FAILED')
     AND NOT (status IN ('TRANSCRIBING', 'ANALYZING')
              AND "updatedAt" > timezone('utc', clock_timestamp()) - make_interval(secs => $3::int))
  RETURNING id
)
SELECT s.status::text AS status, EXISTS (SELECT FROM changed) AS changed, s."userId" AS user_id,
       CASE WHEN s."audioDeletedAt" IS NULL THEN s."audioUrl" END AS audio_key,
       ceil(extract(epoch FROM s."updatedAt" - timezone('utc', clock_timestamp())) + $3::int)::int AS lease_left_s
  FROM speaking_sessions s WHERE s.id = $1
"""


async def give_up(db: Database, session_id: str, message: str, *, lease_s: int) -> str | None:
    """Set a session to FAILED unless it is DONE or FAILED already; the key of audio that is still there.

    Idempotent; nothing happens to an unknown session. Raises InvalidState while another delivery holds the lease, Unavailable.
    """
    rows = await db.write(_GIVE_UP, session_id, message, lease_s)
    if not rows:
        return None
    row = rows[0]
    if row["status"] in ("TRANSCRIBING", "ANALYZING") and not row["changed"]:
        raise InvalidState(retry_after_s=max(1, row["lease_left_s"]))
    return row["audio_key"]


# The parts of a long recording that were written down so far go with it.
_AUDIO_DELETED = """
WITH session AS (
  UPDATE speaking_sessions SET "audioDeletedAt" = timezone('utc', clock_timestamp())
   WHERE id = $1 AND "audioDeletedAt" IS NULL AND status IN ('FAILED', 'DONE')
  RETURNING id
)
DELETE FROM transcripts t USING session WHERE t."sessionId" = session.id AND right(t.text, 1) = E'\\x1e'
RETURNING t.id
"""


async def mark_audio_deleted(db: Database, session_id: str) -> None:
    """Record that the recording of a finished session is gone. Idempotent. Raises Unavailable."""
    await db.write(_AUDIO_DELETED, session_id)


_LEFTOVER = """
SELECT id AS session_id, "userId" AS user_id, CASE WHEN "audioDeletedAt" IS NULL THEN "audioUrl" END AS audio_key,
       extract(epoch FROM timezone('utc', clock_timestamp()) - "createdAt")::int AS age_s,
       (extract(epoch FROM "updatedAt") * 1000)::bigint::text AS version
  FROM speaking_sessions
"""
_UNPROCESSED = f"""{_LEFTOVER}
 WHERE status = 'UPLOADED' AND "updatedAt" < timezone('utc', clock_timestamp()) - make_interval(secs => $1::int)
    OR status IN ('TRANSCRIBING', 'ANALYZING')
       AND "updatedAt" < timezone('utc', clock_timestamp()) - make_interval(secs => $2::int)
 ORDER BY "updatedAt" LIMIT $3::int
"""  # two constants
_OUTSTAYED = f"""{_LEFTOVER}
 WHERE status IN ('FAILED', 'DONE') AND "audioUrl" IS NOT NULL AND "audioDeletedAt" IS NULL
   AND "updatedAt" < timezone('utc', clock_timestamp()) - make_interval(secs => $1::int)
 ORDER BY "updatedAt" LIMIT $2::int
"""  # two constants
_ABANDONED = f"""{_LEFTOVER}
 WHERE status = 'CREATED' AND "createdAt" < timezone('utc', clock_timestamp()) - make_interval(secs => $1::int)
 ORDER BY "createdAt" LIMIT $2::int
"""  # two constants


async def unprocessed(db: Database, *, lease_s: int) -> list[Leftover]:
    """Sessions that QStash does not seem to know of: UPLOADED for long, or under a lease that is over. Raises Unavailable."""
    return _leftovers(await db.read(_UNPROCESSED, UNDELIVERED_AFTER_S, lease_s + LEASE_MARGIN_S, BATCH))


async def outstayed(db: Database) -> list[Leftover]:
    """Finished sessions whose recording is still stored. Raises Unavailable."""
    return _leftovers(await db.read(_OUTSTAYED, FAILED_AUDIO_KEPT_S, BATCH))


async def abandoned(db: Database) -> list[Leftover]:
    """Sessions whose recording never arrived. Raises Unavailable."""
    return _leftovers(await db.read(_ABANDONED, UPLOAD_ABANDONED_AFTER_S, BATCH))


def _leftovers(rows: list[Row]) -> list[Leftover]:
    return [Leftover(**row) for row in rows]


_REOPEN = """
UPDATE speaking_sessions s SET status = 'UPLOADED', "errorMessage" = NULL, "updatedAt" = timezone('utc', clock_timestamp())
 WHERE id = $1 AND status = 'FAILED' AND "audioUrl" IS NOT NULL
   AND ("audioDeletedAt" IS NULL
        OR EXISTS (SELECT FROM transcripts t WHERE t."sessionId" = s.id AND right(t.text, 1) <> E'\\x1e'))
RETURNING id
"""


async def reopen(db: Database, session_id: str) -> bool:
    """Take a FAILED session back to UPLOADED. False unless it is FAILED with audio or a transcript to go on from.

    Raises Unavailable.
    """
    return bool(await db.write(_REOPEN, session_id))
