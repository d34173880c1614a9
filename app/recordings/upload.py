"""From a recording that has arrived to a session that QStash will deliver."""

import structlog

from app.adapters.qstash.queue import QueueRefused
from app.errors import Unavailable
from app.recordings.recording import Recording, extension
from app.refusals import SessionNotFound
from app.services import Services
from app.sessions import owner
from app.sessions.learner import Learner
from app.sessions.owner import Details, NewSession

log = structlog.get_logger()


async def store_upload(services: Services, learner: Learner, recording: Recording, details: Details) -> NewSession:
    """Make the row, store the audio, mark UPLOADED, publish. Raises Unavailable, SessionNotFound if it was deleted meanwhile."""
    session = await owner.create(services.database, learner, extension(recording.content_type), **details)
    await services.storage.upload(session.audio_key, recording.file, recording.size_bytes, recording.content_type)
    if not await owner.mark_uploaded(services.database, session.id, session.audio_key):
        # Deleted by its owner while the recording was on its way.
        await services.storage.delete(session.audio_key)
        raise SessionNotFound
    await publish(services, session.id)
    return session


async def publish(services: Services, session_id: str) -> None:
    """Have QStash deliver the session. If it cannot, or refuses us, the upload is kept and the sweep publishes it later."""
    try:
        await services.queue.publish(session_id)
    except Unavailable:
        log.warning("publish_postponed", session_id=session_id)
    except QueueRefused:
        log.error("publish_refused", session_id=session_id, setting="QSTASH_TOKEN")
