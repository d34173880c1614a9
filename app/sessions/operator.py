"""Operators' queries about sessions and learners, and the deletion of a learner. Every function raises Unavailable."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.clock import as_timestamp
from app.database.client import Database, Row
from app.database.statements import load_statements
from app.errors import AGAIN, MISCONFIGURED, Unavailable
from app.sessions.repair import MAX_LISTED

SQL = load_statements(__file__)
# The invariants, named as in the statement "invariants".
RULES = (
    *("done_with_audio", "done_without_transcript", "done_without_focus"),
    *("waiting_over_an_hour", "lease_over_for_ten_minutes"),
)
PROFILE_BELOW, PROFILE_ABOVE = "profile_below_sessions", "profile_above_sessions"


async def drifted_models(db: Database) -> list[str]:
    """Models of schema.prisma with a column that the database does not have. Call it while the database answers."""
    drifted: list[str] = []
    for name in ("user", "userconsent", "speakingsession", "transcript", "insight", "patternprofile"):
        try:
            # Every column is asked for, and no row.
            await db.read(lambda client, name=name: getattr(client, name).find_first(where={"id": ""}))
        except Unavailable:
            drifted.append(name)
    return drifted


async def list_sessions(
    db: Database, status: str, older_than_s: int, learner: str, reason: str, limit: int
) -> list[Row]:
    """Sessions, the most recently changed first. A filter that is empty or 0 means any.

    ``older_than_s``: seconds since the last change. ``reason``: part of the sentence.
    """
    return await db.read_rows(SQL["list"], status, older_than_s, learner, reason, limit)


async def totals(db: Database) -> list[Row]:
    """How many sessions are in each status, and for how long the oldest has been there, in seconds."""
    return await db.read_rows(SQL["totals"])


async def waiting(db: Database) -> Row:
    """The backlog: how many ``sessions`` wait for a first or another try, and how long the oldest has waited (``oldest_s``)."""
    [row] = await db.read_rows(SQL["waiting"], AGAIN)
    return row


async def show(db: Database, session_id: str, lease_s: int) -> Row | None:
    """What is stored for a session, except its transcript and insights."""
    rows = await db.read_rows(SQL["show"], session_id, lease_s)
    return rows[0] if rows else None


async def failed_since(db: Database, seconds: int) -> list[str]:
    """Sessions that failed within the last ``seconds`` and can be processed again, the oldest first."""
    return [row["session_id"] for row in await db.read_rows(SQL["failed_since"], seconds, MAX_LISTED)]


async def misconfigured(db: Database) -> list[str]:
    """Sessions that failed because of a configuration error, the oldest first."""
    return [row["session_id"] for row in await db.read_rows(SQL["misconfigured"], MISCONFIGURED, MAX_LISTED)]


@dataclass(frozen=True)
class Broken:
    """An invariant that does not hold: how many rows break it, and the first ids."""

    rule: str
    count: int
    ids: list[str]


async def broken_invariants(db: Database, lease_s: int, limit: int = 3) -> list[Broken]:
    """The invariants that sessions break, with up to ``limit`` ids of each."""
    rows = await db.read_rows(SQL["invariants"], lease_s, limit, AGAIN)
    return [Broken(row["rule"], row["sessions"], json.loads(row["ids"])) for row in rows]


async def wrong_profiles(db: Database, since: datetime, limit: int = 3) -> list[Broken]:
    """Learners created since then whose profile is not the sum of their sessions, with up to ``limit`` user ids.

    A profile that counts less is wrong. One that counts more is right if a session was deleted, whose share stays.
    """
    rows = await db.read_rows(SQL["wrong_profiles"], as_timestamp(since), limit)
    return [Broken(row["rule"], row["learners"], json.loads(row["ids"])) for row in rows]


async def export(db: Database, user_id: str) -> dict[str, Any] | None:
    """Every row of a learner; None for an unknown one."""
    rows = await db.read_rows(SQL["export"], user_id)
    return json.loads(rows[0]["rows"]) if rows else None


async def find_learners(db: Database, learner: str) -> list[tuple[str, list[str]]]:
    """Id and sessions of each learner with this external id, id or e-mail address. Several may share an address."""
    rows = await db.read_rows(SQL["learners"], learner)
    return [(row["user_id"], json.loads(row["sessions"])) for row in rows]


async def forget(db: Database, user_id: str) -> bool:
    """Delete a learner; all of their rows are deleted by cascade. False if there is no such learner."""
    return bool(await db.write_rows(SQL["forget"], user_id))


async def facts(db: Database) -> Row:
    """Tables, time zone, connections and clock of the database."""
    [row] = await db.read_rows(SQL["facts"])
    return row
