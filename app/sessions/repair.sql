-- name: fail_exhausted
-- A message has no retries left: FAILED, unless a delivery is working on the session or it has moved on. For good ($2), or,
-- if none of this message's deliveries got to work on it ($6 is false, or it is UPLOADED), with the promise of another
-- try ($3). Ignored for a session that was reopened after the message was published ($4), or that is marked as not published
-- ($3): it waits for another one. $5 is the lease in seconds.
WITH changed AS (
  UPDATE speaking_sessions
     SET status = 'FAILED', "errorMessage" = CASE WHEN status = 'UPLOADED' OR NOT $6::boolean THEN $3 ELSE $2 END,
         "updatedAt" = greatest(timezone('utc', clock_timestamp())::timestamp(3), "updatedAt" + interval '1 millisecond')
   WHERE id = $1
     AND (status = 'UPLOADED' AND "updatedAt" <= $4::text::timestamp + interval '1 minute'
            AND "errorMessage" IS DISTINCT FROM $3
          OR status IN ('TRANSCRIBING', 'ANALYZING')
             AND "updatedAt" <= timezone('utc', clock_timestamp()) - make_interval(secs => $5::int))
  RETURNING id
)
SELECT EXISTS (SELECT FROM changed) AS failed,
       s.status IN ('TRANSCRIBING', 'ANALYZING') AND NOT EXISTS (SELECT FROM changed) AS leased,
       ceil(extract(epoch FROM s."updatedAt" - timezone('utc', clock_timestamp())) + $5::int)::int AS lease_left_s
  FROM speaking_sessions s WHERE s.id = $1

-- name: take_backlog
-- Sessions to be published again: UPLOADED, and not delivered for $1 seconds, or not published ($7) for $8 seconds; under a
-- claim that is $2 seconds old; FAILED $3 seconds ago with the promise ($4) of another try. A session that is taken counts as
-- not published until "mark_published" says so; SKIP LOCKED lets concurrent sweeps share the work. Rows written by others (another
-- key, a later version's status) are left alone. With $6 they are only listed.
WITH due AS (
  SELECT id FROM speaking_sessions s
   WHERE starts_with("audioUrl", 'sessions/' || "userId" || '/' || id || '/audio.')
     AND (status = 'UPLOADED' AND "updatedAt" < timezone('utc', clock_timestamp()) - make_interval(
            secs => CASE "errorMessage" WHEN $7::text THEN $8::int ELSE $1::int END)
          OR status IN ('TRANSCRIBING', 'ANALYZING')
             AND "updatedAt" < timezone('utc', clock_timestamp()) - make_interval(secs => $2::int)
          OR status = 'FAILED' AND right("errorMessage", length($4::text)) = $4::text
             AND "updatedAt" < timezone('utc', clock_timestamp()) - make_interval(secs => $3::int)
             AND ("audioDeletedAt" IS NULL
                  OR EXISTS (SELECT FROM transcripts t WHERE t."sessionId" = s.id AND right(t.text, 1) <> E'\x1e')))
   ORDER BY "updatedAt" LIMIT $5::int
     FOR UPDATE SKIP LOCKED
), taken AS (
  UPDATE speaking_sessions s SET status = 'UPLOADED', "errorMessage" = $7::text,
         "updatedAt" = greatest(timezone('utc', clock_timestamp())::timestamp(3), s."updatedAt" + interval '1 millisecond')
    FROM due WHERE s.id = due.id AND NOT $6::boolean
  RETURNING s.id, s."updatedAt"
)
SELECT due.id AS session_id, (extract(epoch FROM taken."updatedAt") * 1000)::bigint::text AS version
  FROM due LEFT JOIN taken USING (id)

-- name: mark_published
-- Sessions ($1, a JSON object of ids and versions) that were taken or reopened have a message now ($2 says that they have none).
UPDATE speaking_sessions s SET "errorMessage" = NULL FROM jsonb_each_text($1::text::jsonb) t (id, version)
 WHERE s.id = t.id AND s.status = 'UPLOADED' AND s."errorMessage" = $2
   AND (extract(epoch FROM s."updatedAt") * 1000)::bigint::text = t.version
RETURNING s.id

-- name: give_up_unpublished
-- Sessions ($1, a JSON object of ids and versions) that QStash has just refused once more, and that are older than $3 seconds:
-- FAILED for good ($4), unless they were published or reopened meanwhile ($2 says that they have no message).
UPDATE speaking_sessions s
   SET status = 'FAILED', "errorMessage" = $4,
       "updatedAt" = greatest(timezone('utc', clock_timestamp())::timestamp(3), s."updatedAt" + interval '1 millisecond')
  FROM jsonb_each_text($1::text::jsonb) t (id, version)
 WHERE s.id = t.id AND s.status = 'UPLOADED' AND s."errorMessage" = $2
   AND (extract(epoch FROM s."updatedAt") * 1000)::bigint::text = t.version
   AND s."createdAt" < timezone('utc', clock_timestamp()) - make_interval(secs => $3::int)
RETURNING s.id

-- name: mark_not_published
-- An uploaded session has no message ($2), so the next sweep takes it.
UPDATE speaking_sessions SET "errorMessage" = $2 WHERE id = $1 AND status = 'UPLOADED' RETURNING id

-- name: give_up
-- Gives up sessions: they become FAILED for good ($1), or lose the promise of another try ($2 becomes $3). Waiting ones after
-- $4 seconds; failed ones, unless because of a configuration error (its sentence is $5), after $6 seconds. Not while QStash may
-- still deliver: for $9 seconds after a failure, and for $10 after a session was reopened. Not before a session without a
-- message ($12) has been published ("give_up_unpublished"). With $11 they are only listed.
WITH due AS (
  SELECT id FROM speaking_sessions
   WHERE starts_with("audioUrl", 'sessions/' || "userId" || '/' || id || '/audio.')
     AND "createdAt" < timezone('utc', clock_timestamp()) - make_interval(secs => CASE
           WHEN status = 'FAILED' AND "errorMessage" <> $5::text THEN $6::int ELSE $4::int END)
     AND (status = 'FAILED' AND right("errorMessage", length($2::text)) = $2::text
          AND "updatedAt" < timezone('utc', clock_timestamp()) - make_interval(secs => $9::int)
          OR status = 'UPLOADED' AND "errorMessage" IS DISTINCT FROM $12::text
             AND "updatedAt" < timezone('utc', clock_timestamp()) - make_interval(secs => $10::int)
          OR status IN ('TRANSCRIBING', 'ANALYZING')
             AND "updatedAt" < timezone('utc', clock_timestamp()) - make_interval(secs => $7::int))
   ORDER BY "createdAt" LIMIT $8::int
     FOR UPDATE SKIP LOCKED
), ended AS (
  UPDATE speaking_sessions s
     SET status = 'FAILED',
         "errorMessage" = CASE status WHEN 'FAILED' THEN replace("errorMessage", $2::text, $3::text) ELSE $1::text END,
         "updatedAt" = greatest(timezone('utc', clock_timestamp())::timestamp(3), s."updatedAt" + interval '1 millisecond')
    FROM due WHERE s.id = due.id AND NOT $11::boolean
)
SELECT id AS session_id FROM due

-- name: reopen
-- By an operator: back to UPLOADED, if there is a recording or a transcript to resume from. A session that is UPLOADED already
-- stays as it is, so that repeating the command publishes it again. It is marked as not published ($3). With $2 nothing is
-- changed: the statement only tells whether it could be reopened.
WITH due AS (
  SELECT id FROM speaking_sessions s
   WHERE id = $1 AND status IN ('FAILED', 'UPLOADED') AND "audioUrl" IS NOT NULL
     AND ("audioDeletedAt" IS NULL
          OR EXISTS (SELECT FROM transcripts t WHERE t."sessionId" = s.id AND right(t.text, 1) <> E'\x1e'))
     FOR UPDATE
), reopened AS (
  UPDATE speaking_sessions s
     SET status = 'UPLOADED', "errorMessage" = $3::text,
         "updatedAt" = greatest(timezone('utc', clock_timestamp())::timestamp(3), s."updatedAt" + interval '1 millisecond')
    FROM due WHERE s.id = due.id AND NOT $2::boolean
  RETURNING s.id, s."updatedAt"
)
SELECT (extract(epoch FROM reopened."updatedAt") * 1000)::bigint::text AS version FROM due LEFT JOIN reopened USING (id)
