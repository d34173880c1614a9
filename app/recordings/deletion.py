"""Deletes recordings: for their owner, and those of finished sessions."""

from collections.abc import Generator
from contextlib import contextmanager

import structlog

from app.errors import Unavailable
from app.services import Services
from app.sessions import leftovers, owner
from app.sessions.learner import Learner

log = structlog.get_logger()


def folder_of_user(user_id: str) -> str:
    """The key prefix of all objects of a learner, and of no others."""
    return f"sessions/{user_id}/"


def folder(user_id: str, session_id: str) -> str:
    """The key prefix of all objects of a session, and of no others."""
    return f"{folder_of_user(user_id)}{session_id}/"


@contextmanager
def failures_left_to_orphan_search(session_id: str) -> Generator[None]:
    """Log a failed deletion and carry on: the sweep finds objects that no session needs (orphans.py)."""
    try:
        yield
    except Unavailable:
        log.warning("audio_not_deleted", session_id=session_id)


async def delete_session(services: Services, learner: Learner, session_id: str) -> None:
    """Delete a learner's session: every object of it, then its rows.

    If storage is down, the rows are deleted anyway: the sweep finds objects without a session. Raises UserNotFound,
    SessionNotFound, Unavailable if the database is down.
    """
    stored = await owner.find_stored(services.database, learner, session_id)
    with failures_left_to_orphan_search(session_id):
        await services.storage.delete_prefix(folder(stored.user_id, session_id))
    await owner.delete(services.database, session_id)


async def delete_recording(services: Services, session_id: str) -> bool:
    """Delete the recording of a finished session. False while it may still be processed. Idempotent. Raises Unavailable."""
    key = await leftovers.drop_recording(services.database, session_id)
    if key is None:
        return False
    await services.storage.delete(key)
    return True
