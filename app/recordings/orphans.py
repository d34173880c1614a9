"""Orphaned recordings: objects in the bucket that no session needs.

They remain if a session is deleted while storage is down or during an upload, or if a signed URL is used again later.
"""

import re
import time
from dataclasses import dataclass, field

import structlog

from app.adapters.r2.storage import PREFIX
from app.errors import Unavailable
from app.services import Services
from app.sessions import leftovers

log = structlog.get_logger()

# Only keys that this service makes are ever deleted (sessions/owner.sql). The extension comes from a type of at most
# MAX_TYPE_LENGTH characters.
OUR_KEY = re.compile(r"sessions/[A-Za-z0-9_-]{1,64}/[a-z0-9]{25}/audio\.[a-z0-9.+-]{1,100}")
# Time limit of one round. The next continues after the last page.
SEARCH_TIMEOUT_S = 15.0
# A safeguard: a bucket shared with another database is full of objects whose sessions are unknown here.
MAX_UNKNOWN = 100


@dataclass
class Orphans:
    """How many orphans were deleted, how many were kept, and the key after which the next round continues, if there is one.

    An orphan is kept if there are suspiciously many, if it cannot be deleted, or in a dry run. A dry run lists the ``keys`` that
    would be deleted, and the ``kept_keys`` that are suspiciously many.
    """

    deleted: int = 0
    kept: int = 0
    continue_after: str | None = None
    keys: list[str] = field(default_factory=list[str])
    kept_keys: list[str] = field(default_factory=list[str])


async def delete_orphans(
    services: Services,
    after: str = "",
    *,
    confirmed: bool = False,
    dry_run: bool = False,
    timeout_s: float | None = None,
) -> Orphans:
    """Go through the bucket's recordings in pages, and delete those that no session needs and whose grace period is over.

    If more than a hundred objects of a page belong to no session, or more than half to no user, the bucket is probably shared,
    or the database is the wrong one. Then those without a session are kept, and an error is logged. ``confirmed``, by an
    operator, deletes them anyway. With ``dry_run`` all are counted as kept. The search stops after ``timeout_s``
    seconds, SEARCH_TIMEOUT_S by default. Raises Unavailable.
    """
    found, deadline = Orphans(), time.monotonic() + (SEARCH_TIMEOUT_S if timeout_s is None else timeout_s)
    async for page in services.storage.pages(PREFIX, after):
        await _check_page(page, services, found, deadline, confirmed=confirmed, dry_run=dry_run)
        if time.monotonic() > deadline:
            found.continue_after = found.continue_after or next(reversed(page))
            break
    return found


async def _check_page(
    page: dict[str, float], services: Services, found: Orphans, deadline: float, *, confirmed: bool, dry_run: bool
) -> None:
    ours = [key for key in page if OUR_KEY.fullmatch(key)]
    if not ours:
        return
    states = await leftovers.object_states(services.database, ours)
    settled_before = time.time() - services.settings.orphan_grace_seconds
    # In the order of the bucket: the next round continues after a key.
    settled = [states[key] for key in ours if page[key] <= settled_before]
    unneeded = [state.key for state in settled if state.over or not state.session_known]
    without_session = [key for key in unneeded if not states[key].session_known]
    without_user = [key for key in without_session if not states[key].user_known]
    if not confirmed and (len(without_session) > MAX_UNKNOWN or len(without_user) * 2 > len(ours)):
        log.error("orphans_kept", counts=len(without_session), reason="too many objects without a session")
        found.kept += len(without_session)
        found.kept_keys += without_session if dry_run else []
        unneeded = [key for key in unneeded if states[key].session_known]
    if dry_run:
        found.kept += len(unneeded)
        found.keys += unneeded
        return
    for key in unneeded:
        try:
            await services.storage.delete(key)
            found.deleted += 1
        except Unavailable:
            # Carry on with the others. The next round tries this one again.
            log.warning("audio_not_deleted")
            found.kept += 1
            if time.monotonic() > deadline:
                found.continue_after = key
                return
