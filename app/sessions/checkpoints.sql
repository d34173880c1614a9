-- Each statement is one transaction. It names the session ($1) and the tokens of the claim ($2, $3), finds the row only while
-- the claim holds, and writes the next token ($4).

-- name: save_transcript
-- Checkpoint (a): the transcript and the status are saved together or not at all.
WITH session AS (
  UPDATE speaking_sessions SET status = 'ANALYZING', "updatedAt" = $4::text::timestamp
   WHERE id = $1 AND status = 'TRANSCRIBING' AND "updatedAt" IN ($2::text::timestamp, $3::text::timestamp)
  RETURNING id
), saved AS (
  INSERT INTO transcripts AS t (id, "sessionId", text, "wordCount") SELECT $5, id, $6, $7::int FROM session
  ON CONFLICT ("sessionId") DO UPDATE SET text = excluded.text, "wordCount" = excluded."wordCount"
    WHERE right(t.text, 1) = E'\x1e'
  RETURNING id
)
SELECT (SELECT count(*)::int FROM saved) AS changed, EXISTS (SELECT FROM speaking_sessions WHERE id = $1) AS exists

-- name: save_part
-- Checkpoint (a) of one part: appended only if exactly the parts before it are there. It renews the lease, so that a
-- recording of many parts may take as long as the delivery's deadline lets it.
WITH session AS (
  UPDATE speaking_sessions SET "updatedAt" = $4::text::timestamp
   WHERE id = $1 AND status = 'TRANSCRIBING' AND "updatedAt" IN ($2::text::timestamp, $3::text::timestamp)
  RETURNING id
), saved AS (
  INSERT INTO transcripts AS t (id, "sessionId", text) SELECT $5, id, $6 || E'\x1e' FROM session
  ON CONFLICT ("sessionId") DO UPDATE SET text = t.text || excluded.text
    WHERE right(t.text, 1) = E'\x1e' AND length(t.text) - length(replace(t.text, E'\x1e', '')) = $7::int - 1
  RETURNING id
)
SELECT (SELECT count(*)::int FROM saved) AS changed, EXISTS (SELECT FROM speaking_sessions WHERE id = $1) AS exists

-- name: save_results
-- Checkpoint (c), all or nothing. The update locks the session row and finds it under our claim; only then is the profile row
-- reached, so the order of locks is always session, profile. A stored profile that is not an object counts as empty, a count
-- that is not a number as zero: the Next.js side may have left either.
WITH session AS (
  UPDATE speaking_sessions
     SET status = 'DONE', "focusNext" = $5, "errorMessage" = NULL, "updatedAt" = $4::text::timestamp
   WHERE id = $1 AND status = 'ANALYZING' AND "updatedAt" IN ($2::text::timestamp, $3::text::timestamp)
  RETURNING id, "userId"
), stored AS (
  INSERT INTO insights (id, "sessionId", category, pattern, detail, frequency, severity, examples, suggestion)
  SELECT i.id, session.id, i.category, i.pattern, i.detail, i.frequency, i.severity, coalesce(i.examples, 'null'), i.suggestion
    FROM session, jsonb_to_recordset($6::text::jsonb) AS i (id text, category text, pattern text, detail text,
         frequency int, severity text, examples jsonb, suggestion text)
), profile AS (
  INSERT INTO pattern_profiles AS p (id, "userId", patterns, "lastUpdated")
  SELECT $7, session."userId", $8::text::jsonb, timezone('utc', clock_timestamp()) FROM session
  ON CONFLICT ("userId") DO UPDATE
     SET "lastUpdated" = excluded."lastUpdated",
         patterns = (CASE jsonb_typeof(p.patterns) WHEN 'object' THEN p.patterns ELSE '{}' END) || (
           SELECT coalesce(jsonb_object_agg(key, added::text::numeric
                    + CASE jsonb_typeof(p.patterns -> key) WHEN 'number' THEN (p.patterns ->> key)::numeric ELSE 0 END), '{}')
             FROM jsonb_each(excluded.patterns) AS t (key, added))
)
SELECT (SELECT count(*)::int FROM session) AS changed, EXISTS (SELECT FROM speaking_sessions WHERE id = $1) AS exists
