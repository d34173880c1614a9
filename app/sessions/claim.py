"""What a delivery takes before it works: the session, for the length of a lease.

The states are those of docs/decisions/exactly-once.md.
"""

from dataclasses import dataclass, field

from app.database.client import Database
from app.errors import InvalidState
from app.refusals import UnknownSession


@dataclass(frozen=True)
class Work:
    """A claimed session: what is known of it and which checkpoints it has passed.

    ``parts`` are the texts of a long recording's first parts, while ``transcript`` is not there yet.
    """

    session_id: str
    audio_key: str | None
    audio_deleted: bool
    transcript: str | None = field(repr=False)
    parts: tuple[str, ...] = field(default=(), repr=False)


# Ends the text of each part of a long recording. A row whose text ends so is no transcript yet, and is shown to nobody.
END_OF_PART = "\x1e"

# One statement decides and claims. Two deliveries at once: the second waits for the row, finds it TRANSCRIBING with a fresh
# lease and claims nothing. The lease is "updatedAt" plus $3 seconds.
_CLAIM = """
WITH transcribed AS (
  SELECT text FROM transcripts WHERE "sessionId" = $1 AND right(text, 1) <> E'\\x1e'
), claimed AS (
  UPDATE speaking_sessions
     SET status = (CASE WHEN EXISTS (SELECT FROM transcribed) THEN 'ANALYZING' ELSE 'TRANSCRIBING' END)::"SessionStatus",
         "errorMessage" = NULL, "updatedAt" = timezone('utc', clock_timestamp())
   WHERE id = $1
     AND (status = 'UPLOADED'
          OR status = 'FAILED' AND $2::boolean
          OR status IN ('TRANSCRIBING', 'ANALYZING')
             AND "updatedAt" <= timezone('utc', clock_timestamp()) - make_interval(secs => $3::int))
  RETURNING id
)
SELECT s.status::text AS status, s."audioUrl" AS audio_key, s."audioDeletedAt" IS NOT NULL AS audio_deleted,
       (SELECT text FROM transcribed) AS transcript,
       (SELECT text FROM transcripts WHERE "sessionId" = $1 AND right(text, 1) = E'\\x1e') AS parts,
       EXISTS (SELECT FROM claimed) AS claimed,
       ceil(extract(epoch FROM s."updatedAt" - timezone('utc', clock_timestamp())) + $3::int)::int AS lease_left_s
  FROM speaking_sessions s
 WHERE s.id = $1
"""


async def claim(db: Database, session_id: str, *, retried: int, lease_s: int) -> Work | None:
    """Take the session for this delivery, or None if it is DONE and this is a retry: nothing is left to do.

    ``retried`` is how often QStash has delivered this message before. Raises UnknownSession,
    InvalidState for one that is not this delivery's to take, Unavailable.
    """
    rows = await db.write(_CLAIM, session_id, retried > 0, lease_s)
    if not rows:
        raise UnknownSession
    row = rows[0]
    if row["claimed"]:
        parts = tuple((row["parts"] or "").split(END_OF_PART)[:-1])
        return Work(session_id, row["audio_key"], row["audio_deleted"], row["transcript"], parts)
    match row["status"]:
        case "DONE" if retried > 0:
            return None
        case "TRANSCRIBING" | "ANALYZING":
            raise InvalidState(retry_after_s=max(1, row["lease_left_s"]))
        case "UPLOADED":  # another delivery claimed it between our look and our update
            raise InvalidState(retry_after_s=lease_s)
        case _:
            raise InvalidState
