"""What a delivery has done and need not do again: transcript, audio deleted, results; or that it failed.

Each function is one SQL statement, and so one transaction: it looks at the row's status and changes it in the same breath.
Whoever finds another status than expected changes nothing. The states are those of docs/decisions/exactly-once.md.
"""

import json
from typing import TYPE_CHECKING

from app.analysis.patterns import tally
from app.database.client import Database
from app.database.ids import new_cuid
from app.errors import InvalidState, SessionGone

if TYPE_CHECKING:
    from app.analysis.shape import Analysis

# Checkpoint (a): the transcript and the status stand or fall together.
_SAVE_TRANSCRIPT = """
WITH session AS (
  UPDATE speaking_sessions SET status = 'ANALYZING', "updatedAt" = timezone('utc', clock_timestamp())
   WHERE id = $1 AND status = 'TRANSCRIBING'
  RETURNING id
), saved AS (
  INSERT INTO transcripts AS t (id, "sessionId", text, "wordCount") SELECT $2, id, $3, $4::int FROM session
  ON CONFLICT ("sessionId") DO UPDATE SET text = excluded.text, "wordCount" = excluded."wordCount"
    WHERE right(t.text, 1) = E'\\x1e'
  RETURNING id
)
SELECT (SELECT count(*)::int FROM saved) AS changed, EXISTS (SELECT FROM speaking_sessions WHERE id = $1) AS exists
"""


async def save_transcript(db: Database, session_id: str, text: str, word_count: int) -> None:
    """Store the transcript and move to ANALYZING. Raises SessionGone, InvalidState if another delivery was first."""
    await _change(db, _SAVE_TRANSCRIPT, session_id, new_cuid(), text, word_count)


# Checkpoint (a) of one part: appended only if exactly the parts before it are there, whatever another delivery has done since.
# It renews the lease, too, so that a recording of many parts may take longer than one.
_SAVE_PART = """
WITH session AS (
  UPDATE speaking_sessions SET "updatedAt" = timezone('utc', clock_timestamp())
   WHERE id = $1 AND status = 'TRANSCRIBING'
  RETURNING id
), saved AS (
  INSERT INTO transcripts AS t (id, "sessionId", text) SELECT $2, id, $3 || E'\\x1e' FROM session
  ON CONFLICT ("sessionId") DO UPDATE SET text = t.text || excluded.text
    WHERE right(t.text, 1) = E'\\x1e' AND length(t.text) - length(replace(t.text, E'\\x1e', '')) = $4::int - 1
  RETURNING id
)
SELECT (SELECT count(*)::int FROM saved) AS changed, EXISTS (SELECT FROM speaking_sessions WHERE id = $1) AS exists
"""


async def save_part(db: Database, session_id: str, text: str, number: int) -> None:
    """Store the text of a long recording's part, counted from 1. Raises SessionGone, InvalidState if another was first."""
    await _change(db, _SAVE_PART, session_id, new_cuid(), text, number)


# Checkpoint (b).
_AUDIO_DELETED = """
WITH session AS (
  UPDATE speaking_sessions
     SET "audioDeletedAt" = timezone('utc', clock_timestamp()), "updatedAt" = timezone('utc', clock_timestamp())
   WHERE id = $1 AND status = 'ANALYZING'
  RETURNING id
)
SELECT (SELECT count(*)::int FROM session) AS changed, EXISTS (SELECT FROM speaking_sessions WHERE id = $1) AS exists
"""


async def mark_audio_deleted(db: Database, session_id: str) -> None:
    """Record when the recording was deleted. Raises SessionGone, InvalidState."""
    await _change(db, _AUDIO_DELETED, session_id)


# Checkpoint (c), all or nothing. The update locks the session row and finds it ANALYZING; only then is the profile row
# reached, so the order of locks is always session, profile. A stored profile that is not an object counts as empty, a count
# that is not a number as zero: the Next.js side may have left either.
_COMPLETE = """
WITH session AS (
  UPDATE speaking_sessions
     SET status = 'DONE', "focusNext" = $2, "errorMessage" = NULL, "updatedAt" = timezone('utc', clock_timestamp())
   WHERE id = $1 AND status = 'ANALYZING'
  RETURNING id, "userId"
), stored AS (
  INSERT INTO insights (id, "sessionId", category, pattern, detail, frequency, severity, examples, suggestion)
  SELECT i.id, session.id, i.category, i.pattern, i.detail, i.frequency, i.severity, coalesce(i.examples, 'null'), i.suggestion
    FROM session, jsonb_to_recordset($3::text::jsonb) AS i (id text, category text, pattern text, detail text,
         frequency int, severity text, examples jsonb, suggestion text)
), profile AS (
  INSERT INTO pattern_profiles AS p (id, "userId", patterns, "lastUpdated")
  SELECT $4, session."userId", $5::text::jsonb, timezone('utc', clock_timestamp()) FROM session
  ON CONFLICT ("userId") DO UPDATE
     SET "lastUpdated" = excluded."lastUpdated",
         patterns = (CASE jsonb_typeof(p.patterns) WHEN 'object' THEN p.patterns ELSE '{}' END) || (
           SELECT coalesce(jsonb_object_agg(key, added::text::numeric
                    + CASE jsonb_typeof(p.patterns -> key) WHEN 'number' THEN (p.patterns ->> key)::numeric ELSE 0 END), '{}')
             FROM jsonb_each(excluded.patterns) AS t (key, added))
)
SELECT (SELECT count(*)::int FROM session) AS changed, EXISTS (SELECT FROM speaking_sessions WHERE id = $1) AS exists
"""


async def complete(db: Database, session_id: str, analysis: "Analysis") -> None:
    """Store insights and focus, add to the profile, set DONE: all of it once. Raises SessionGone, InvalidState."""
    insights = [{"id": new_cuid(), **insight.model_dump()} for insight in analysis.insights]
    patterns = tally(analysis.insights)
    await _change(
        db, _COMPLETE, session_id, analysis.focus_next, json.dumps(insights), new_cuid(), json.dumps(patterns)
    )


_FAIL = """
UPDATE speaking_sessions SET status = 'FAILED', "errorMessage" = $2, "updatedAt" = timezone('utc', clock_timestamp())
 WHERE id = $1 AND status IN ('TRANSCRIBING', 'ANALYZING')
RETURNING id
"""


async def fail(db: Database, session_id: str, message: str) -> None:
    """Record a failed step with a sentence that is safe to show. Changes nothing on a session that has moved on."""
    await db.write(_FAIL, session_id, message)


async def _change(db: Database, sql: str, *parameters: str | int) -> None:
    [row] = await db.write(sql, *parameters)  # pyright: ignore[reportArgumentType]  # the callers pass constants
    if not row["exists"]:
        raise SessionGone
    if not row["changed"]:
        raise InvalidState
