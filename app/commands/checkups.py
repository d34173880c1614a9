"""The internal checks of ``doctor``: database, storage, sessions.

Each returns one or more findings. None changes anything, except for an object of its own.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any, Literal

from app.database.ids import new_cuid
from app.errors import Permanent, Unavailable
from app.recordings.orphans import delete_orphans
from app.services import Services
from app.sessions import operator
from app.settings import Settings

Verdict = Literal["fine", "wrong", "unknown"]
TABLES = 6
MAX_SKEW_S = 2.0
# ``bucket install`` sets 7.
MAX_KEPT_DAYS = 30
# For a request to another service.
TIMEOUT_S = 10
ABOVE = "they count more than their sessions: right for a learner who deleted a session, else one was counted twice"
# Maximum number of learners named.
MAX_IDS = 100


@dataclass(frozen=True)
class Finding:
    """The verdict on one point, and what to do unless it is fine."""

    point: str
    verdict: Verdict
    advice: str = ""


def judged(point: str, advice: str) -> Finding:
    """A finding: wrong if there is advice, otherwise fine."""
    return Finding(point, "wrong" if advice else "fine", advice)


async def database(services: Services, _settings: Settings) -> list[Finding]:
    """Whether it answers; tables and columns, time zone, connections, clock."""
    try:
        found, asked_at = await operator.facts(services.database), time.time()
    except Unavailable:
        advice = "it does not answer, or refuses us: check that it runs, and address, password and name in DATABASE_URL"
        return [Finding("database", "wrong", advice)]
    drifted = [] if found["tables"] < TABLES else await operator.drifted_models(services.database)
    missing = (
        f"columns of {', '.join(drifted)} differ from schema.prisma: run prisma migrate deploy on the Next.js side"
    )
    return [*judge_database(found, asked_at), judged("database columns", missing if drifted else "")]


def judge_database(found: Mapping[str, Any], asked_at: float) -> list[Finding]:
    """Judge the database by its own facts (``operator.facts``), as of the Unix time ``asked_at``."""
    skew_s = abs(float(found["now"]) - asked_at)
    free = found["max_connections"] - found["connections"]
    missing = "tables are missing: run prisma migrate deploy on the Next.js side"
    taken = "almost all are taken: lower connection_limit, or use a pool"
    return [
        judged("database tables", "" if found["tables"] == TABLES else missing),
        judged("database time zone", "" if found["time_zone"] == "UTC" else "the connection must use TimeZone=UTC"),
        judged("database connections", "" if free > 3 else taken),
        judged("database clock", "" if skew_s < MAX_SKEW_S else f"it differs from this machine's by {skew_s:.0f} s"),
    ]


async def storage(services: Services, settings: Settings) -> list[Finding]:
    """Put, get and delete an object of our own; the bucket's rules."""
    key, content = f"doctor/{new_cuid()}", b"doctor"
    try:
        await services.storage.upload(key, BytesIO(content), len(content), "audio/webm")
        try:
            with (await services.storage.download(key, "doctor")).file as file:
                whole = file.read() == content
        finally:
            await services.storage.delete(key)
        kept = await services.storage.look(key)
        rules = await services.storage.rules()
    except (Unavailable, Permanent) as error:
        advice = f"{error.message}: check the R2_ settings, and that the key may read, write and delete"
        return [Finding("storage", "wrong", advice)]
    except Exception as error:
        advice = f"what answers is no S3 store ({type(error).__name__}): check R2_ENDPOINT_URL"
        return [Finding("storage", "wrong", advice)]
    expire = 0 < (rules.expires_days or 0) <= MAX_KEPT_DAYS
    lifecycle = f"no rule deletes recordings after {MAX_KEPT_DAYS} days or sooner: run python -m app bucket install"
    missing = (
        sorted({settings.app_url, *settings.allowed_origins} - set(rules.origins)) if "*" not in rules.origins else []
    )
    cors = f"no CORS rule allows pages of {' and '.join(missing)}: their direct uploads fail" if missing else ""
    return [
        judged("storage", "" if whole and kept is None else "an object was not stored or not deleted as asked"),
        judged("storage lifecycle", "" if expire else lifecycle),
        Finding("storage cors", "unknown" if cors else "fine", cors and f"{cors}: run python -m app bucket install"),
    ]


async def sessions(services: Services, _settings: Settings) -> list[Finding]:
    """Invariants that sessions break."""
    broken = await operator.broken_invariants(services.database, services.lease_s)
    return [
        Finding(f"sessions {each.rule}", "wrong", f"{_counted(each)}; all: python -m app sessions --broken {each.rule}")
        for each in broken
    ] or [Finding("sessions", "fine")]


async def objects(services: Services, _settings: Settings) -> list[Finding]:
    """Objects of the bucket that no session needs."""
    found = await delete_orphans(services, dry_run=True)
    count, more = len(found.keys) + len(found.kept_keys), " or more" if found.continue_after else ""
    fate = "so many that the sweep keeps them: docs/operations.md" if found.kept_keys else "the sweep deletes them"
    advice = f"{count}{more} that no session needs: {fate}; python -m app sweep --dry-run lists them"
    return [judged("storage objects", advice if count else "")]


async def profiles(services: Services, since: datetime | None) -> list[Finding]:
    """Whether the profiles of learners created since then add up to what their sessions count."""
    if since is None:
        return [
            Finding("profiles", "unknown", "not compared: give --since, the day from which on this service made them")
        ]
    broken = {each.rule: each for each in await operator.wrong_profiles(services.database, since, MAX_IDS)}
    below, above = broken.get(operator.PROFILE_BELOW), broken.get(operator.PROFILE_ABOVE)
    lost = f"{_counted(below)}: their counts are below the sums of their sessions" if below else ""
    more = [Finding("profiles above", "unknown", f"{_counted(above)}: {ABOVE}")] if above else []
    return [judged("profiles", lost), *more]


def _counted(broken: operator.Broken) -> str:
    return f"{broken.count}, such as {', '.join(broken.ids)}"
