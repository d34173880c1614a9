"""The sweep: publishes again what was left undelivered, deletes audio that should be gone, ends uploads that never came.

Every step can be repeated and run twice at once: what is done already is not done again.
"""

import time
from dataclasses import dataclass

import structlog

from app.adapters.qstash import QueueRefused
from app.errors import InvalidState
from app.services import Services
from app.sessions import repair
from app.sessions.repair import Leftover

log = structlog.get_logger()

NEVER_PROCESSED = "The recording could not be processed"
NEVER_UPLOADED = "The upload was not completed"


@dataclass
class Swept:
    """How many sessions were published again, lost their audio, or were given up."""

    published: int = 0
    audio_deleted: int = 0
    abandoned: int = 0


async def sweep(services: Services) -> Swept:
    """One bounded round over what is left behind. Raises Unavailable; what was done until then stays done."""
    swept, db = Swept(), services.database
    for leftover in await repair.unprocessed(db, lease_s=services.lease_s):
        await _publish_again(services, leftover, swept)
    for leftover in await repair.abandoned(db):
        # The recording may have been stored without the row hearing of it.
        swept.audio_deleted += await services.storage.delete_below(
            f"sessions/{leftover.user_id}/{leftover.session_id}/"
        )
        await repair.give_up(db, leftover.session_id, NEVER_UPLOADED, lease_s=services.lease_s)
        swept.abandoned += 1
    for leftover in await repair.outstayed(db):
        await delete_audio(services, leftover.session_id, leftover.audio_key)
        swept.audio_deleted += 1
    log.info("swept", published=swept.published, audio_deleted=swept.audio_deleted, counts=swept.abandoned)
    return swept


async def _publish_again(services: Services, leftover: Leftover, swept: Swept) -> None:
    if leftover.age_s > repair.GIVE_UP_AFTER_S:
        try:
            await repair.give_up(services.database, leftover.session_id, NEVER_PROCESSED, lease_s=services.lease_s)
        except InvalidState:
            return
        swept.abandoned += 1
        return
    try:
        # The same for two sweeps at once, so that QStash takes it once; another every hour, so that it is not lost for good.
        await services.queue.publish(leftover.session_id, run=f"sweep-{leftover.version}-{int(time.time()) // 3600}")
    except QueueRefused:
        log.error("publish_refused", session_id=leftover.session_id)
        return
    swept.published += 1


async def delete_audio(services: Services, session_id: str, audio_key: str | None) -> None:
    """Delete a finished session's recording, if it is still there, and record that. Raises Unavailable."""
    if audio_key:
        await services.storage.delete(audio_key)
        await repair.mark_audio_deleted(services.database, session_id)
