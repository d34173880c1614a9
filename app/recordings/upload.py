"""From a recording that has arrived to a session that QStash will deliver."""

import structlog

from app.adapters.qstash import QueueRefused
from app.errors import Unavailable
from app.recordings.recording import Recording, extension
from app.refusals import SessionNotFound, UploadFailed
from app.services import Services
from app.sessions import owner, repair
from app.sessions.learner import Learner
from app.sessions.owner import NewSession
from app.sweep import delete_audio

log = structlog.get_logger()

NEVER_QUEUED = "The recording could not be queued for processing"


async def store_upload(
    services: Services, learner: Learner, recording: Recording, *, duration_s: int, topic: str | None, language: str
) -> NewSession:
    """Make the row, store the audio, mark UPLOADED, publish. Raises Unavailable, SessionNotFound, UploadFailed."""
    session = await owner.create(services.database, learner, duration_s=duration_s, topic=topic, language=language)
    key = f"sessions/{session.user_id}/{session.id}/audio.{extension(recording.content_type)}"
    await services.storage.upload(key, recording.file, recording.size_bytes, recording.content_type)
    if not await owner.mark_uploaded(services.database, session.id, key):
        # Deleted by its owner while the recording was on its way.
        await services.storage.delete(key)
        raise SessionNotFound
    await enqueue(services, session.id, key)
    return session


async def enqueue(services: Services, session_id: str, audio_key: str) -> None:
    """Publish the session. If QStash cannot be reached the upload still stands: the sweep publishes it later.

    Raises UploadFailed if QStash refuses the message, after the row was set to FAILED and the audio deleted.
    """
    try:
        await services.queue.publish(session_id)
    except Unavailable:
        log.warning("publish_postponed", session_id=session_id)
    except QueueRefused:
        log.error("publish_refused", session_id=session_id)
        await repair.give_up(services.database, session_id, NEVER_QUEUED, lease_s=services.lease_s)
        await delete_audio(services, session_id, audio_key)
        raise UploadFailed from None
