-- Operators' queries. No statement selects a transcript, an insight or an e-mail address but "export".

-- name: list
SELECT s.id, s.status::text AS status, u."externalId" AS learner, s."durationSecs" AS duration_s,
       to_char(s."createdAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created_at,
       to_char(s."updatedAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS updated_at,
       s."errorMessage" AS reason, s."audioUrl" IS NOT NULL AND s."audioDeletedAt" IS NULL AS audio_stored
  FROM speaking_sessions s JOIN users u ON u.id = s."userId"
 WHERE ($1::text = '' OR s.status::text = $1::text)
   AND ($2::int = 0 OR s."updatedAt" < timezone('utc', clock_timestamp()) - make_interval(secs => $2::int))
   AND ($3::text = '' OR u."externalId" = $3::text OR u.id = $3::text)
   AND ($4::text = '' OR position(lower($4::text) IN lower(s."errorMessage")) > 0)
 ORDER BY s."updatedAt" DESC, s.id LIMIT $5::int

-- name: totals
SELECT status::text AS status, count(*)::int AS sessions,
       coalesce(extract(epoch FROM timezone('utc', clock_timestamp()) - min("updatedAt")), 0)::int AS oldest_s
  FROM speaking_sessions GROUP BY status ORDER BY status

-- name: waiting
-- From the upload to the end, whatever was tried meanwhile; FAILED with the promise ($1) of another try waits, too.
SELECT count(*)::int AS sessions,
       coalesce(extract(epoch FROM timezone('utc', clock_timestamp()) - min("createdAt")), 0)::float8 AS oldest_s
  FROM speaking_sessions
 WHERE status IN ('UPLOADED', 'TRANSCRIBING', 'ANALYZING')
    OR status = 'FAILED' AND right("errorMessage", length($1::text)) = $1::text

-- name: show
SELECT s.id, s.status::text AS status, u."externalId" AS learner, s."userId" AS user_id, s."durationSecs" AS duration_s,
       to_char(s."createdAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created_at,
       to_char(s."updatedAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS updated_at,
       to_char(s."audioDeletedAt", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS audio_deleted_at,
       s."errorMessage" AS reason, s."audioUrl" AS audio_key,
       (SELECT t."wordCount" FROM transcripts t WHERE t."sessionId" = s.id AND right(t.text, 1) <> E'\x1e') AS words,
       (SELECT length(t.text) - length(replace(t.text, E'\x1e', '')) FROM transcripts t
         WHERE t."sessionId" = s.id AND right(t.text, 1) = E'\x1e') AS parts,
       (SELECT count(*)::int FROM insights i WHERE i."sessionId" = s.id) AS insights,
       greatest(0, ceil(extract(epoch FROM s."updatedAt" - timezone('utc', clock_timestamp())) + $2::int))::int AS lease_left_s
  FROM speaking_sessions s JOIN users u ON u.id = s."userId" WHERE s.id = $1

-- name: failed_since
SELECT id AS session_id FROM speaking_sessions
 WHERE status = 'FAILED' AND "audioUrl" IS NOT NULL
   AND "updatedAt" >= timezone('utc', clock_timestamp()) - make_interval(secs => $1::int)
   AND ("audioDeletedAt" IS NULL
        OR EXISTS (SELECT FROM transcripts t WHERE t."sessionId" = speaking_sessions.id AND right(t.text, 1) <> E'\x1e'))
 ORDER BY "updatedAt" LIMIT $2::int

-- name: misconfigured
SELECT id AS session_id FROM speaking_sessions
 WHERE status = 'FAILED' AND "errorMessage" = $1 ORDER BY "updatedAt" LIMIT $2::int

-- name: invariants
-- The invariants: how many sessions break each rule, and which (at most $2). $1 is the lease in seconds. FAILED with the
-- promise ($3) of another try waits, too.
WITH broken AS (
  SELECT 'done_with_audio' AS rule, id FROM speaking_sessions
   WHERE status = 'DONE' AND "audioUrl" IS NOT NULL AND "audioDeletedAt" IS NULL
  UNION ALL
  SELECT 'done_without_transcript', s.id FROM speaking_sessions s
   WHERE s.status = 'DONE' AND NOT EXISTS (
     SELECT FROM transcripts t WHERE t."sessionId" = s.id AND right(t.text, 1) <> E'\x1e')
  UNION ALL
  SELECT 'done_without_focus', id FROM speaking_sessions WHERE status = 'DONE' AND "focusNext" IS NULL
  UNION ALL
  SELECT 'waiting_over_an_hour', id FROM speaking_sessions
   WHERE "createdAt" < timezone('utc', clock_timestamp()) - interval '1 hour'
     AND (status IN ('UPLOADED', 'TRANSCRIBING', 'ANALYZING')
          OR status = 'FAILED' AND right("errorMessage", length($3::text)) = $3::text)
  UNION ALL
  SELECT 'lease_over_for_ten_minutes', id FROM speaking_sessions
   WHERE status IN ('TRANSCRIBING', 'ANALYZING')
     AND "updatedAt" < timezone('utc', clock_timestamp()) - make_interval(secs => $1::int) - interval '10 minutes'
)
SELECT rule, count(*)::int AS sessions, array_to_json((array_agg(id ORDER BY id))[1:$2::int])::text AS ids
  FROM broken GROUP BY rule ORDER BY rule

-- name: wrong_profiles
-- Learners created since $1 whose profile does not count what the insights of their DONE sessions add up to, by whether a count
-- is below the sum or only above it, as after a session was deleted. What is not a number counts as 0.
WITH sums AS (
  SELECT s."userId" AS user_id, i.category || ':' || i.pattern AS key, sum(coalesce(i.frequency, 1)) AS count
    FROM users u JOIN speaking_sessions s ON s."userId" = u.id JOIN insights i ON i."sessionId" = s.id
   WHERE u."createdAt" >= $1::text::timestamp AND s.status = 'DONE'
   GROUP BY 1, 2
), profiles AS (
  SELECT u.id AS user_id, e.key, CASE jsonb_typeof(e.value) WHEN 'number' THEN e.value::numeric ELSE 0 END AS count
    FROM users u JOIN pattern_profiles p ON p."userId" = u.id
    CROSS JOIN jsonb_each(CASE jsonb_typeof(p.patterns) WHEN 'object' THEN p.patterns ELSE '{}' END) e
   WHERE u."createdAt" >= $1::text::timestamp
), wrong AS (
  SELECT user_id AS id, bool_or(coalesce(sums.count, 0) > coalesce(profiles.count, 0)) AS below
    FROM sums FULL JOIN profiles USING (user_id, key)
   WHERE coalesce(sums.count, 0) <> coalesce(profiles.count, 0) GROUP BY user_id
)
SELECT CASE WHEN below THEN 'profile_below_sessions' ELSE 'profile_above_sessions' END AS rule, count(*)::int AS learners,
       array_to_json((array_agg(id ORDER BY id))[1:$2::int])::text AS ids
  FROM wrong GROUP BY below ORDER BY below DESC

-- name: export
SELECT (SELECT json_build_object(
  'user', to_jsonb(u),
  'consents', coalesce((SELECT jsonb_agg(to_jsonb(c)) FROM user_consents c WHERE c."userId" = u.id), '[]'),
  'patternProfile', (SELECT to_jsonb(p) FROM pattern_profiles p WHERE p."userId" = u.id),
  'sessions', coalesce((SELECT jsonb_agg(to_jsonb(s)
     || jsonb_build_object('transcript', (SELECT to_jsonb(t) FROM transcripts t WHERE t."sessionId" = s.id),
                           'insights', coalesce((SELECT jsonb_agg(to_jsonb(i)) FROM insights i WHERE i."sessionId" = s.id), '[]'))
     ORDER BY s."createdAt") FROM speaking_sessions s WHERE s."userId" = u.id), '[]')))::text AS rows
  FROM users u WHERE u.id = $1

-- name: learners
SELECT u.id AS user_id, array_to_json(ARRAY(SELECT s.id FROM speaking_sessions s WHERE s."userId" = u.id))::text AS sessions
  FROM users u WHERE u."externalId" = $1 OR u.id = $1 OR lower(u.email) = lower($1) AND $1 <> '' ORDER BY u.id

-- name: forget
DELETE FROM users WHERE id = $1 RETURNING id

-- name: facts
-- Facts about the database, for ``doctor``.
SELECT (SELECT count(*)::int FROM information_schema.tables
         WHERE table_schema = current_schema()
           AND table_name IN ('users', 'user_consents', 'speaking_sessions', 'transcripts', 'insights', 'pattern_profiles')) AS tables,
       current_setting('TimeZone') AS time_zone, current_setting('max_connections')::int AS max_connections,
       (SELECT count(*)::int FROM pg_stat_activity) AS connections,
       extract(epoch FROM clock_timestamp())::float8 AS now
