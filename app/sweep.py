"""The sweep: republishes the backlog, ends sessions for good, deletes recordings and objects that no session needs.

Every step is idempotent and safe to run concurrently.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from app import telemetry
from app.adapters.qstash.queue import QueueRefused
from app.errors import Unavailable
from app.recordings.deletion import delete_recording, failures_left_to_orphan_search, folder
from app.recordings.orphans import delete_orphans
from app.services import Services
from app.sessions import leftovers, operator, repair
from app.sessions.repair import BacklogEntry

log = structlog.get_logger()

# Time limit for publishing, because a sweep is a single request. The next sweep publishes the rest.
PUBLISH_FOR_S = 40.0
# Only profiles of learners created this recently are compared with their sessions. An older one may have been
# written by the Next.js back end.
RECENT = timedelta(days=1)
# Maximum number of concurrent publishes.
PUBLISH_AT_ONCE = 16


@dataclass
class Swept:
    """How many sessions were republished or given up, recordings deleted, and objects without a session found.

    ``continue_after`` is the key after which the next round continues, if this one did not reach the end of the bucket.
    """

    published: int = 0
    not_published: int = 0
    audio_deleted: int = 0
    abandoned: int = 0
    orphans_deleted: int = 0
    orphans_kept: int = 0
    continue_after: str | None = None


async def sweep(services: Services, after: str = "") -> Swept:
    """One bounded round. ``after`` is the key after which to list the bucket. Raises Unavailable; what was done stays done."""
    swept, db, lease_s = Swept(), services.database, services.settings.processing_lease_seconds
    while ended := await repair.give_up(db, lease_s=lease_s):
        swept.abandoned += len(ended)
    await _publish_backlog(services, swept)
    for leftover in await leftovers.abandoned_uploads(db):
        if await repair.give_up_upload(db, leftover.session_id):
            # Otherwise it was completed in the meantime, and its recording is needed.
            swept.abandoned += 1
            with failures_left_to_orphan_search(leftover.session_id):
                at = folder(leftover.user_id, leftover.session_id)
                swept.audio_deleted += await services.storage.delete_prefix(at)
    for leftover in await leftovers.leftover_recordings(db):
        with failures_left_to_orphan_search(leftover.session_id):
            swept.audio_deleted += await delete_recording(services, leftover.session_id)
    for broken in await operator.broken_invariants(db, lease_s):
        log.error("invariant_broken", reason=broken.rule, counts=broken.count, session_id=broken.ids[0])
    for profiles in await operator.wrong_profiles(db, datetime.now(UTC) - RECENT):
        if profiles.rule == operator.PROFILE_BELOW:
            # Without the ids, which are those of learners.
            log.error("invariant_broken", reason=profiles.rule, counts=profiles.count)
    found = await delete_orphans(services, after)
    swept.orphans_deleted, swept.orphans_kept, swept.continue_after = found.deleted, found.kept, found.continue_after
    if found.deleted or found.kept:
        log.error("invariant_broken", reason="object_without_session", counts=found.deleted + found.kept)
    counts = {name: value for name, value in vars(swept).items() if name != "continue_after"}
    log.info("swept", **counts)
    await _measure(services, counts)
    return swept


async def plan(services: Services) -> dict[str, list[str]]:
    """What a sweep would do now, as ids of sessions, except for orphaned recordings. Changes nothing. Raises Unavailable."""
    db, lease_s = services.database, services.settings.processing_lease_seconds
    given_up = dict.fromkeys(await repair.give_up(db, lease_s=lease_s, dry_run=True))
    waiting = bool(await services.queue.waiting())
    backlog = await repair.take_backlog(db, lease_s=lease_s, waiting=waiting, dry_run=True)
    never_came = [leftover.session_id for leftover in await leftovers.abandoned_uploads(db)]
    return {
        "publish": [session.session_id for session in backlog if session.session_id not in given_up],
        "give_up": [*given_up, *never_came],
        "delete_recording": never_came + [leftover.session_id for leftover in await leftovers.leftover_recordings(db)],
    }


async def _measure(services: Services, counts: dict[str, int]) -> None:
    if not telemetry.active.on:
        return
    telemetry.active.measure("speaking_coach.sweep.runs", 1)
    for result, count in counts.items():
        telemetry.active.measure("speaking_coach.sweep.results", count, {"result": result})
    with suppress(Unavailable):  # the sweep itself has succeeded
        waiting = await operator.waiting(services.database)
        telemetry.active.measure("speaking_coach.backlog", waiting["sessions"])
        telemetry.active.measure("speaking_coach.oldest_waiting", waiting["oldest_s"])


async def _publish_backlog(services: Services, swept: Swept) -> None:
    deadline, lease_s = time.monotonic() + PUBLISH_FOR_S, services.settings.processing_lease_seconds
    waiting = bool(await services.queue.waiting())
    while time.monotonic() < deadline:
        page = await repair.take_backlog(services.database, lease_s=lease_s, waiting=waiting)
        limit = asyncio.Semaphore(PUBLISH_AT_ONCE)
        outcomes = await asyncio.gather(*(_publish(services, session, limit) for session in page))
        published = {session.session_id: session.version for session, done in zip(page, outcomes, strict=True) if done}
        refused = {session.session_id: session.version for session in page if session.session_id not in published}
        await repair.mark_published(services.database, published)
        swept.published += len(published)
        swept.not_published += len(refused)
        swept.abandoned += await repair.give_up_unpublished(services.database, refused)
        if len(page) < repair.ROWS_PER_PAGE or not published:
            break


async def _publish(services: Services, session: BacklogEntry, limit: asyncio.Semaphore) -> bool:
    async with limit:
        try:
            await services.queue.publish(session.session_id, run=f"sweep-{session.version}")
        except (Unavailable, QueueRefused) as error:
            # It stays in the backlog, for the next sweep.
            log.error("publish_failed", session_id=session.session_id, error=type(error).__name__)
            return False
        return True
