"""Orphaned recordings: objects in the bucket that no session needs.

They are left by a deletion while storage was down or during an upload, or by a signed URL that was used again later.
"""

import re
import time
from dataclasses import dataclass, field

import structlog

from app.adapters.r2 import PREFIX, StoredObject
from app.errors import Unavailable
from app.services import Services
from app.sessions import repair

log = structlog.get_logger()

# Only keys that this service makes are ever deleted: recordings/deletion.py. The ending comes from a type of at most
# MAX_TYPE_LENGTH characters.
OUR_KEY = re.compile(r"sessions/([A-Za-z0-9_-]{1,64})/([a-z0-9]{25})/audio\.[a-z0-9.+-]{1,100}")
# For one round; the next goes on after the last page.
LOOK_FOR_S = 15.0
# The brake: a bucket that another database shares is full of objects whose sessions are unknown here.
MOST_UNKNOWN = 100


@dataclass
class Orphans:
    """What was found: deleted; kept, being suspiciously many or not to be deleted; where the next round goes on, if it has to.

    ``keys`` are those of a dry run.
    """

    deleted: int = 0
    kept: int = 0
    continue_after: str | None = None
    keys: list[str] = field(default_factory=list[str])


async def delete_orphans(
    services: Services, after: str = "", *, confirmed: bool = False, dry_run: bool = False
) -> Orphans:
    """Look through the bucket's recordings in pages, and delete those of at least an hour's age that no session needs.

    Deletes none of a page, and says so, when more than a hundred of its objects belong to no session, or more than half to no
    user of this database: then the bucket is shared, or the database is the wrong one. ``confirmed``, by an operator,
    deletes them all the same; with ``dry_run`` all are counted as kept. Raises Unavailable.
    """
    found, deadline = Orphans(), time.monotonic() + LOOK_FOR_S
    async for page in services.storage.pages(PREFIX, after):
        await _look_at(page, services, found, deadline, confirmed=confirmed, dry_run=dry_run)
        if time.monotonic() > deadline and page:
            found.continue_after = found.continue_after or page[-1].key
            break
    return found


async def _look_at(
    page: list[StoredObject], services: Services, found: Orphans, deadline: float, *, confirmed: bool, dry_run: bool
) -> None:
    named = {stored.key: match.groups() for stored in page if (match := OUR_KEY.fullmatch(stored.key))}
    if not named:
        return
    owners = {
        (owner.user_id, owner.session_id): owner
        for owner in await repair.owners_of(services.database, [(user, session) for user, session in named.values()])
    }
    settled_before = time.time() - services.orphan_grace_s
    of = {key: owners[user, session] for key, (user, session) in named.items()}
    unneeded = [
        stored.key
        for stored in page
        if stored.key in named and stored.modified_at <= settled_before
        if not of[stored.key].session_known or of[stored.key].over
    ]
    if dry_run:
        found.keys += unneeded
    without_session = [key for key in unneeded if not of[key].session_known]
    without_user = [key for key in without_session if not of[key].user_known]
    if not confirmed and (len(without_session) > MOST_UNKNOWN or len(without_user) * 2 > len(named)):
        log.error("orphans_kept", counts=len(without_session), reason="too many objects without a session")
        found.kept += len(without_session)
        unneeded = [key for key in unneeded if of[key].session_known]
    if dry_run:
        found.kept += len(unneeded)
        return
    for key in unneeded:
        try:
            await services.storage.delete(key)
            found.deleted += 1
        except Unavailable:
            # It stops none of the others, and the next look comes to it again.
            log.warning("audio_not_deleted")
            found.kept += 1
            if time.monotonic() > deadline:
                found.continue_after = key
                return
