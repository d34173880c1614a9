-- name: create
-- The user is made at the first upload. "DO UPDATE" to the same value rather than "DO NOTHING": it waits for a first upload
-- that is under way at the same moment and returns the row either way. updatedAt stays, so that later uploads leave no trace.
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

-- name: mark_uploaded
-- Not a typed call: Prisma would write "updatedAt" by this machine's clock, and the first lease counts from there.
UPDATE speaking_sessions
   SET status = 'UPLOADED', "audioUrl" = $2, "updatedAt" = timezone('utc', clock_timestamp())::timestamp(3)
 WHERE id = $1 AND status = 'CREATED'
RETURNING id

-- name: list
SELECT (SELECT count(*)::int FROM speaking_sessions s JOIN users u ON u.id = s."userId" WHERE u."externalId" = $1) AS total,
       array_to_json(ARRAY(
  SELECT json_build_object('id', s.id, 'status', s.status, 'durationSecs', s."durationSecs", 'language', s.language,
         'topic', s.topic, 'createdAt', to_char(s."createdAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
         'updatedAt', to_char(s."updatedAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
    FROM speaking_sessions s JOIN users u ON u.id = s."userId"
   WHERE u."externalId" = $1
   ORDER BY s."createdAt" DESC, s.id DESC LIMIT $2::int OFFSET $3::bigint))::text AS sessions

-- name: find
-- As JSON, so that the contract's keys and their order are written once. The message of an UPLOADED session is the sweep's own
-- mark (repair.sql).
SELECT (SELECT json_build_object('id', s.id, 'userId', s."userId", 'status', s.status, 'durationSecs', s."durationSecs",
         'language', s.language, 'topic', s.topic, 'promptUsed', s."promptUsed", 'audioUrl', s."audioUrl",
         'audioDeletedAt', to_char(s."audioDeletedAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
         'errorMessage', CASE WHEN s.status <> 'UPLOADED' THEN s."errorMessage" END, 'focusNext', s."focusNext",
         'createdAt', to_char(s."createdAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
         'updatedAt', to_char(s."updatedAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
         'transcript', (
           SELECT json_build_object('id', t.id, 'sessionId', t."sessionId", 'text', t.text, 'wordCount', t."wordCount")
             FROM transcripts t WHERE t."sessionId" = s.id AND right(t.text, 1) <> E'\x1e'),
         'insights', array_to_json(ARRAY(
           SELECT json_build_object('id', i.id, 'sessionId', i."sessionId", 'category', i.category, 'pattern', i.pattern,
                  'detail', i.detail, 'frequency', i.frequency, 'severity', i.severity, 'examples', i.examples,
                  'suggestion', i.suggestion)
             FROM insights i WHERE i."sessionId" = s.id
            ORDER BY array_position(ARRAY['high', 'medium', 'low'], i.severity), i.id)))
          FROM speaking_sessions s WHERE s.id = $2 AND s."userId" = u.id)::text AS session
  FROM users u WHERE u."externalId" = $1

-- name: find_stored
-- Not a typed call: Prisma refuses a whole row whose status a later version of the schema has added.
SELECT u.id AS user_id, s.status::text AS status, s."audioUrl" AS audio_key, s."errorMessage" AS error_message,
       to_char(s."createdAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created_at
  FROM users u LEFT JOIN speaking_sessions s ON s."userId" = u.id AND s.id = $2
 WHERE u."externalId" = $1
