-- name: claim
-- One statement decides and claims. Two deliveries at once: the second waits for the row, finds it under a fresh lease and
-- claims nothing. The lease is "updatedAt" plus $3 seconds, by PostgreSQL's clock alone. The token is the "updatedAt" written
-- here: later than any before it on this row, even if the clock jumps back. A retry does not take a FAILED session whose sentence
-- says that it will not be tried again ($4), except for $5: the sentence of sessions that were never processed, which a late
-- message may still rescue.
WITH transcribed AS (
  SELECT text FROM transcripts WHERE "sessionId" = $1 AND right(text, 1) <> E'\x1e'
), claimed AS (
  UPDATE speaking_sessions
     SET status = (CASE WHEN EXISTS (SELECT FROM transcribed) THEN 'ANALYZING' ELSE 'TRANSCRIBING' END)::"SessionStatus",
         "errorMessage" = NULL,
         "updatedAt" = greatest(timezone('utc', clock_timestamp())::timestamp(3), "updatedAt" + interval '1 millisecond')
   WHERE id = $1
     AND (status = 'UPLOADED'
          OR status = 'FAILED' AND $2::boolean
             AND (right("errorMessage", length($4::text)) IS DISTINCT FROM $4::text OR "errorMessage" = $5::text)
          OR status IN ('TRANSCRIBING', 'ANALYZING')
             AND "updatedAt" <= timezone('utc', clock_timestamp()) - make_interval(secs => $3::int))
  RETURNING "updatedAt"
)
SELECT s.status::text AS status,
       s.status = 'FAILED' AND right(s."errorMessage", length($4::text)) IS NOT DISTINCT FROM $4::text
         AND s."errorMessage" <> $5::text AS failed_for_good,
       s."audioUrl" AS audio_key, s."audioDeletedAt" IS NOT NULL AS audio_deleted,
       s."durationSecs" AS duration_s,
       (SELECT text FROM transcribed) AS transcript,
       (SELECT text FROM transcripts WHERE "sessionId" = $1 AND right(text, 1) = E'\x1e') AS parts,
       (SELECT to_char("updatedAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') FROM claimed) AS token,
       ceil(extract(epoch FROM s."updatedAt" - timezone('utc', clock_timestamp())) + $3::int)::int AS lease_left_s
  FROM speaking_sessions s
 WHERE s.id = $1
