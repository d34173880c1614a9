"""Changes outside a delivery: exhausted messages, the backlog, an operator's retry.

Each function is one statement that checks and changes atomically, so it is safe to repeat and to run concurrently.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from app.clock import as_timestamp
from app.database.client import Database
from app.database.statements import load_statements
from app.errors import AGAIN, MISCONFIGURED, NOT_AGAIN, InvalidState
from app.sessions.status import CREATED, FAILED

SQL = load_statements(__file__)

# Maximum number of rows that one statement takes, and that a command lists or retries.
ROWS_PER_PAGE, MAX_LISTED = 100, 10_000
# Long enough for QStash to have delivered, short enough for a learner who is waiting.
UNDELIVERED_AFTER_S = 15 * 60
# Added to the lease, so that a retry already scheduled by QStash comes first.
LEASE_MARGIN_S = 60
# QStash's last retry comes half an hour after the first delivery. From then on the sweep retries hourly.
FAILED_RETRY_AFTER_S = 3600
# Longer than a sweep publishes, so that no other one publishes the same session meanwhile.
UNPUBLISHED_AFTER_S = 60
# While QStash is holding messages back, an UPLOADED session is expected to have one of them.
HELD_BACK_AFTER_S = 24 * 3600
# Outlasts an outage of a day. After two days of failures, another attempt would fail, too.
TRANSIENT_GIVE_UP_AFTER_S = 2 * 24 * 3600
# For sessions that were never processed or failed because of a configuration error: as long as the bucket keeps recordings.
GIVE_UP_AFTER_S = 7 * 24 * 3600

NEVER_PROCESSED = f"The recording could not be processed. {NOT_AGAIN}"
# Also marks an UPLOADED session that has no message in QStash: app/sessions/repair.sql.
NOT_REACHED = f"The recording could not be processed yet. {AGAIN}"
NEVER_UPLOADED = f"The upload was not completed. {NOT_AGAIN}"


@dataclass(frozen=True)
class BacklogEntry:
    """A session taken from the backlog for republishing. ``version`` changes each time it is taken; None in a dry run."""

    session_id: str
    version: str | None


async def fail_exhausted(
    db: Database, session_id: str, message_made_at: datetime | None, *, attempted: bool, lease_s: int
) -> bool:
    """Fail a session whose message has no retries left, unless it has moved on or is unknown. Idempotent; True if it did.

    The failure is final if this message's last delivery got to process the session (``attempted``). Otherwise its sentence
    promises another try.
    Raises InvalidState while another delivery holds the lease, Unavailable.
    """
    made_at = as_timestamp(message_made_at or datetime.now(UTC))
    rows = await db.write_rows(
        SQL["fail_exhausted"], session_id, NEVER_PROCESSED, NOT_REACHED, made_at, lease_s, attempted
    )
    if rows and rows[0]["leased"]:
        raise InvalidState(retry_after_s=max(1, rows[0]["lease_left_s"]))
    return bool(rows) and rows[0]["failed"]


async def take_backlog(
    db: Database, *, lease_s: int, waiting: bool = False, dry_run: bool = False
) -> list[BacklogEntry]:
    """Set a page of sessions that need another message to UPLOADED, and return them. Raises Unavailable.

    ``waiting``: QStash is holding messages back, so an UPLOADED session is only taken after a day. With ``dry_run`` up to
    10,000 sessions are returned and none is changed.
    """
    undelivered_s = HELD_BACK_AFTER_S if waiting else UNDELIVERED_AFTER_S
    limits = (
        undelivered_s,
        lease_s + LEASE_MARGIN_S,
        FAILED_RETRY_AFTER_S,
        AGAIN,
        MAX_LISTED if dry_run else ROWS_PER_PAGE,
    )
    rows = await db.write_rows(SQL["take_backlog"], *limits, dry_run, NOT_REACHED, UNPUBLISHED_AFTER_S)
    return [BacklogEntry(**row) for row in rows]


async def mark_published(db: Database, versions: dict[str, str | None]) -> None:
    """Note that sessions have a message, by id and the version that was taken or reopened. Raises Unavailable.

    Until then, a sweep publishes them again.
    """
    if versions:
        await db.write_rows(SQL["mark_published"], json.dumps(versions), NOT_REACHED)


async def give_up_unpublished(db: Database, versions: dict[str, str | None]) -> int:
    """Give up on those sessions, as ``mark_published`` names them, that are older than a week. Returns their number.

    Raises Unavailable.
    """
    if not versions:
        return 0
    parameters = (json.dumps(versions), NOT_REACHED, GIVE_UP_AFTER_S, NEVER_PROCESSED)
    return len(await db.write_rows(SQL["give_up_unpublished"], *parameters))


async def mark_not_published(db: Database, session_id: str) -> None:
    """Mark an uploaded session whose message QStash did not accept, so that the next sweep publishes it. Raises Unavailable."""
    await db.write_rows(SQL["mark_not_published"], session_id, NOT_REACHED)


async def give_up(db: Database, *, lease_s: int, dry_run: bool = False) -> list[str]:
    """Give up on a page of sessions that failed for two days or waited for a week. Returns their ids. Raises Unavailable.

    With ``dry_run`` up to 10,000 are returned and none is changed.
    """
    rows = await db.write_rows(
        SQL["give_up"],
        *(NEVER_PROCESSED, AGAIN, NOT_AGAIN, GIVE_UP_AFTER_S),
        *(MISCONFIGURED, TRANSIENT_GIVE_UP_AFTER_S, lease_s + LEASE_MARGIN_S, MAX_LISTED if dry_run else ROWS_PER_PAGE),
        *(FAILED_RETRY_AFTER_S, UNDELIVERED_AFTER_S, dry_run, NOT_REACHED),
    )
    return [row["session_id"] for row in rows]


async def give_up_upload(db: Database, session_id: str) -> bool:
    """Fail a session whose recording never arrived or was refused. False if it is no longer CREATED. Raises Unavailable.

    The recording counts as deleted from now on, so that nobody reopens the session while its object is being deleted.
    """
    return bool(
        await db.write(
            lambda client: client.speakingsession.update_many(
                where={"id": session_id, "status": CREATED},
                data={"status": FAILED, "errorMessage": NEVER_UPLOADED, "audioDeletedAt": datetime.now(UTC)},
            )
        )
    )


async def reopen(db: Database, session_id: str, *, dry_run: bool = False) -> str | None:
    """Set a FAILED session back to UPLOADED, and return its new version. Raises Unavailable.

    None if it is not FAILED, or nothing is left to resume from. Repeatable: an UPLOADED session counts as reopened already.
    With ``dry_run`` nothing is changed, and the version of a session that could be reopened is empty.
    """
    rows = await db.write_rows(SQL["reopen"], session_id, dry_run, NOT_REACHED)
    return (rows[0]["version"] or "") if rows else None
