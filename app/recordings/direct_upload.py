"""Uploads that go from the browser straight to storage: a signed URL, then a check of what arrived.

A platform may refuse a body long before this service sees it (Vercel at 4.5 MB); a PUT to storage bypasses it.
"""

import time
from dataclasses import replace
from datetime import UTC, datetime

from app.clock import as_json
from app.recordings.recording import MAX_AUDIO_BYTES, extension
from app.recordings.upload import publish
from app.refusals import StoredFileRefused, TooManyOpenUploads, UploadExpired, UploadIncomplete
from app.services import Services
from app.sessions import owner, repair
from app.sessions.learner import Learner
from app.sessions.owner import Details, NewSession, StoredSession

# Long enough for 50 MiB over a slow line, short of the hour after which the sweep gives the session up.
EXPIRES_S = 15 * 60


async def begin(
    services: Services, learner: Learner, content_type: str, size_bytes: int, details: Details
) -> tuple[NewSession, str, str]:
    """Make the row and sign an address for exactly this size and type; session, address and when it expires.

    Raises Unavailable, TooManyOpenUploads.
    """
    session = await owner.create(services.database, learner, extension(content_type), **details)
    if await owner.count_open_uploads(services.database, session, EXPIRES_S) > services.open_uploads:
        await owner.delete(services.database, session.id)
        raise TooManyOpenUploads(retry_after_s=EXPIRES_S)
    expires = datetime.fromtimestamp(int(time.time()) + EXPIRES_S, UTC)
    url = await services.storage.signed_upload(session.audio_key, size_bytes, content_type, EXPIRES_S)
    return session, url, as_json(expires)


async def complete(services: Services, learner: Learner, session_id: str) -> StoredSession:
    """Check what was stored, mark UPLOADED, publish. Idempotent; the session as it is then.

    Raises UserNotFound, SessionNotFound, UploadIncomplete, UploadExpired, StoredFileRefused, Unavailable.
    """
    session = await owner.find_stored(services.database, learner, session_id)
    if session.status == "FAILED" and session.error_message == repair.NEVER_UPLOADED:
        raise UploadExpired
    if session.status != "CREATED" or session.audio_key is None:
        return session
    stored = await services.storage.look(session.audio_key)
    if stored is None:
        raise UploadIncomplete
    if not 0 < stored.size_bytes <= MAX_AUDIO_BYTES or not stored.content_type.lower().startswith("audio/"):
        # The signed address does not let it come to this; a store that ignores the signature would.
        if await repair.give_up_upload(services.database, session_id):
            await services.storage.delete(session.audio_key)
        raise StoredFileRefused
    # Of two calls at once the second finds it UPLOADED, so it is published once.
    if await owner.mark_uploaded(services.database, session_id, session.audio_key):
        await publish(services, session_id)
    return replace(session, status="UPLOADED")
