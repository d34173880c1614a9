"""Compares the cost of typed Prisma client calls with single SQL statements that do the same."""

import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from app.clock import as_timestamp
from app.database.client import Database
from app.sessions import owner
from app.sessions.learner import Learner
from app.sessions.status import CREATED
from benchmarks.processes import cpu_s
from benchmarks.table import Results

LEARNER = Learner("statements", "statements@example.com", None)
MARK_DELETED = (
    'UPDATE speaking_sessions SET "audioDeletedAt" = $3::text::timestamp, "updatedAt" = $3::text::timestamp'
    ' WHERE id = $1 AND status = $2::text::"SessionStatus" AND "updatedAt" IN ($3::text::timestamp) RETURNING id'
)


async def measure_statements(url: str, count: int) -> Results:
    """CPU time per call in ms, of this process and its engine, over ``count`` calls. The database must be migrated."""
    database = Database(url)
    try:
        session = await owner.create(database, LEARNER, duration_s=60, topic=None, language="en", ending="webm")
        return {f"{name} CPU ms": await _cpu_ms(call, count) for name, call in _calls(database, session.id).items()}
    finally:
        await database.aclose()


def _calls(db: Database, session_id: str) -> dict[str, Callable[[], Awaitable[object]]]:
    moment = datetime.now(UTC).replace(microsecond=0)
    moments: Any = {"audioDeletedAt": moment, "updatedAt": moment}
    return {
        "audio deleted, SQL": lambda: db.write_rows(MARK_DELETED, session_id, CREATED, as_timestamp(moment)),
        "audio deleted, typed": lambda: db.write(
            lambda client: client.speakingsession.update_many(
                where={"id": session_id, "status": CREATED, "updatedAt": {"in": [moment]}}, data=moments
            )
        ),
        "detail, SQL": lambda: owner.find(db, LEARNER, session_id),
        "detail, typed": lambda: db.read(
            lambda client: client.speakingsession.find_first(
                where={"id": session_id, "user": {"is": {"externalId": LEARNER.external_id}}},
                include={"transcript": True, "insights": {"order_by": {"severity": "asc"}}},
            )
        ),
    }


async def _cpu_ms(call: Callable[[], Awaitable[object]], count: int) -> float:
    # The first calls pay for connections and for compilation in the engine.
    for _ in range(count // 4):
        await call()
    before = cpu_s(os.getpid())
    for _ in range(count):
        await call()
    return (cpu_s(os.getpid()) - before) / count * 1000
