"""Uploads that go from the browser straight to storage: a signed address, then a look at what arrived.

A platform may refuse a body long before this service sees it (Vercel at 4.5 MB); a PUT to storage passes it by.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from app.recordings.recording import MAX_AUDIO_BYTES, extension
from app.recordings.upload import enqueue
from app.refusals import StoredFileRefused, UploadExpired, UploadIncomplete
from app.services import Services
from app.sessions import owner, repair
from app.sessions.learner import Learner
from app.sessions.owner import NewSession
from app.sweep import NEVER_UPLOADED, delete_audio

# Long enough for 50 MiB over a slow line, short of the hour after which the sweep gives the session up.
EXPIRES_S = 15 * 60


@dataclass(frozen=True)
class Ticket:
    """A session and the address its recording may be PUT to until ``expires_at`` (ISO 8601, UTC)."""

    session: NewSession
    url: str
    expires_at: str


async def begin(
    services: Services,
    learner: Learner,
    *,
    content_type: str,
    size_bytes: int,
    duration_s: int,
    topic: str | None,
    language: str,
) -> Ticket:
    """Make the row and sign an address for exactly this size and type. Raises Unavailable."""
    session = await owner.create(
        services.database,
        learner,
        duration_s=duration_s,
        topic=topic,
        language=language,
        ending=extension(content_type),
    )
    expires = datetime.fromtimestamp(int(time.time()) + EXPIRES_S, UTC)
    url = await services.storage.signed_upload(session.audio_key or "", size_bytes, content_type, EXPIRES_S)
    return Ticket(session, url, expires.strftime("%Y-%m-%dT%H:%M:%S.000Z"))


async def complete(services: Services, learner: Learner, session_id: str) -> NewSession:
    """Check what was stored, mark UPLOADED, publish. Idempotent.

    Raises SessionNotFound, UploadIncomplete, UploadExpired, StoredFileRefused, UploadFailed, Unavailable.
    """
    state = await owner.state_of(services.database, learner, session_id)
    if state.status == "FAILED" and state.error_message == NEVER_UPLOADED:
        raise UploadExpired
    if state.status != "CREATED":
        return state
    stored = await services.storage.look(state.audio_key) if state.audio_key else None
    if state.audio_key is None or stored is None:
        raise UploadIncomplete
    if not 0 < stored.size_bytes <= MAX_AUDIO_BYTES or not stored.content_type.lower().startswith("audio/"):
        # The signed address does not let it come to this; a store that ignores the signature would.
        await repair.give_up(services.database, session_id, NEVER_UPLOADED, lease_s=services.lease_s)
        await delete_audio(services, session_id, state.audio_key)
        raise StoredFileRefused
    # Whoever comes second at the same moment finds it UPLOADED: published once.
    if await owner.mark_uploaded(services.database, session_id, state.audio_key):
        await enqueue(services, session_id, state.audio_key)
    return state
