"""Uploads straight from the browser to storage: sign a URL, then check what arrived.

A platform may refuse large bodies before this service sees them (Vercel: over 4.5 MB). A PUT to storage bypasses it.
"""

import time
from dataclasses import replace
from datetime import UTC, datetime

from app.audio.recording import MAX_AUDIO_BYTES, extension
from app.clock import as_json
from app.recordings.upload import publish
from app.refusals import StoredFileRefused, TooManyOpenUploads, UploadExpired, UploadIncomplete
from app.services import Services
from app.sessions import owner, repair
from app.sessions.learner import Learner
from app.sessions.owner import Details, NewSession, StoredSession

# Long enough for 50 MiB over a slow connection, and less than the hour after which the sweep gives up the session.
EXPIRES_S = 15 * 60


async def begin(
    services: Services, learner: Learner, content_type: str, size_bytes: int, details: Details
) -> tuple[NewSession, str, str]:
    """Create the row and sign a URL for exactly this size and type; the session, the URL and when it expires (ISO 8601, UTC).

    Raises Unavailable, TooManyOpenUploads.
    """
    session = await owner.create(services.database, learner, extension(content_type), **details)
    open_uploads = await owner.count_open_uploads(services.database, session, EXPIRES_S)
    if open_uploads > services.settings.open_uploads_per_learner:
        await owner.delete(services.database, session.id)
        raise TooManyOpenUploads(retry_after_s=EXPIRES_S)
    expires = datetime.fromtimestamp(int(time.time()) + EXPIRES_S, UTC)
    url = await services.storage.signed_upload(session.audio_key, size_bytes, content_type, EXPIRES_S)
    return session, url, as_json(expires)


async def complete(services: Services, learner: Learner, session_id: str) -> StoredSession:
    """Check what was stored, mark UPLOADED, publish. Returns the session as it is afterwards. Idempotent.

    Raises UserNotFound, SessionNotFound, UploadIncomplete, UploadExpired, StoredFileRefused, Unavailable.
    """
    session = await owner.find_stored(services.database, learner, session_id)
    if session.status == "FAILED" and session.error_message == repair.NEVER_UPLOADED:
        raise UploadExpired
    if session.status != "CREATED" or session.audio_key is None:
        return session
    stored = await services.storage.head(session.audio_key)
    if stored is None:
        raise UploadIncomplete
    if not 0 < stored.size_bytes <= MAX_AUDIO_BYTES or not stored.content_type.lower().startswith("audio/"):
        # The signed URL prevents this, unless the store ignores its signature.
        if await repair.give_up_upload(services.database, session_id):
            await services.storage.delete(session.audio_key)
        raise StoredFileRefused
    # Of two concurrent calls, the second finds the session UPLOADED, so it is published only once.
    if await owner.mark_uploaded(services.database, session_id, session.audio_key):
        await publish(services, session_id)
    return replace(session, status="UPLOADED")
