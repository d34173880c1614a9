"""Stores an uploaded recording, and publishes its session to QStash."""

from contextlib import suppress

import structlog

from app.adapters.qstash.queue import QueueRefused
from app.audio.recording import UploadedRecording, extension
from app.errors import Unavailable
from app.refusals import SessionNotFound
from app.services import Services
from app.sessions import owner, repair
from app.sessions.learner import Learner
from app.sessions.owner import Details, NewSession

log = structlog.get_logger()


async def store_upload(
    services: Services, learner: Learner, recording: UploadedRecording, details: Details
) -> NewSession:
    """Create the row, store the audio, mark UPLOADED, publish. Raises Unavailable, SessionNotFound if deleted in the meantime."""
    session = await owner.create(services.database, learner, extension(recording.content_type), **details)
    await services.storage.upload(session.audio_key, recording.file, recording.size_bytes, recording.content_type)
    if not await owner.mark_uploaded(services.database, session.id, session.audio_key):
        # Deleted by its owner during the upload.
        await services.storage.delete(session.audio_key)
        raise SessionNotFound
    await publish(services, session.id)
    return session


async def publish(services: Services, session_id: str) -> None:
    """Publish the session to QStash. If QStash is down or refuses, the upload is kept and the next sweep publishes it."""
    published = False
    try:
        await services.queue.publish(session_id)
        published = True
    except Unavailable:
        log.warning("publish_postponed", session_id=session_id)
    except QueueRefused:
        log.error("publish_refused", session_id=session_id, setting="QSTASH_TOKEN")
    finally:
        if not published:
            # Otherwise the sweep expects a message to be on its way, and waits longer.
            with suppress(Unavailable):
                await repair.mark_not_published(services.database, session_id)
