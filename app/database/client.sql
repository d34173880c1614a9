-- name: one
-- Whether PostgreSQL answers.
SELECT 1 AS one
