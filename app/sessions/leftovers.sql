-- name: drop_recording
-- The key of the recording of a session that is over. Marked as deleted before the object is, so that no session is
-- reopened whose recording is about to be deleted. The parts of a long recording go with it. Not while a retry is promised ($2).
WITH session AS (
  UPDATE speaking_sessions SET "audioDeletedAt" = timezone('utc', clock_timestamp())
   WHERE id = $1 AND "audioDeletedAt" IS NULL
     AND (status = 'DONE' OR status = 'FAILED' AND right("errorMessage", length($2::text)) IS DISTINCT FROM $2::text)
  RETURNING id
), parts AS (
  DELETE FROM transcripts t USING session WHERE t."sessionId" = session.id AND right(t.text, 1) = E'\x1e'
)
SELECT s."audioUrl" AS audio_key FROM speaking_sessions s
 WHERE s.id = $1 AND (EXISTS (SELECT FROM session) OR s.status IN ('FAILED', 'DONE') AND s."audioDeletedAt" IS NOT NULL)

-- name: abandoned_uploads
SELECT id AS session_id, "userId" AS user_id FROM speaking_sessions
 WHERE status = 'CREATED' AND starts_with("audioUrl", 'sessions/' || "userId" || '/' || id || '/audio.')
   AND "createdAt" < timezone('utc', clock_timestamp()) - make_interval(secs => $1::int)
 ORDER BY "createdAt" LIMIT $2::int

-- name: leftover_recordings
-- Of sessions that finished at least $1 seconds ago. Not while a retry is promised ($2).
SELECT id AS session_id, "userId" AS user_id FROM speaking_sessions
 WHERE "audioDeletedAt" IS NULL AND starts_with("audioUrl", 'sessions/' || "userId" || '/' || id || '/audio.')
   AND (status = 'DONE' OR status = 'FAILED' AND right("errorMessage", length($2::text)) IS DISTINCT FROM $2::text)
   AND "updatedAt" < timezone('utc', clock_timestamp()) - make_interval(secs => $1::int)
 ORDER BY "updatedAt" LIMIT $3::int

-- name: object_states
-- For each key of a page of the bucket ($1: a JSON array): does its user exist, does its session, and may it be deleted?
-- Only a finished session needs none; one in a status of a later version may need it.
SELECT k.key, u.id IS NOT NULL AS user_known, s.id IS NOT NULL AS session_known,
       coalesce(s.status = 'DONE' OR s.status = 'FAILED' AND s."audioDeletedAt" IS NOT NULL, false) AS over
  FROM jsonb_array_elements_text($1::text::jsonb) AS k (key)
  LEFT JOIN users u ON u.id = split_part(k.key, '/', 2)
  LEFT JOIN speaking_sessions s ON s.id = split_part(k.key, '/', 3)
