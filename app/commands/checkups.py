"""The internal checks of ``doctor``: database, storage, sessions.

Each returns one or more results. None changes anything, except for an object of its own.
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

Verdict = Literal["fine", "wrong", "unknown"]
TABLES = 6
MAX_SKEW_S = 2.0
# ``bucket install`` sets 7.
MAX_KEPT_DAYS = 30
# For a request to another service.
TIMEOUT_S = 10
ABOVE = (
    "they count more than their sessions: expected if the learner deleted a session; otherwise one was counted twice"
)
# Maximum number of learners named.
MAX_IDS = 100


@dataclass(frozen=True)
class CheckResult:
    """The verdict on one point, and what to do unless it is fine."""

    point: str
    verdict: Verdict
    advice: str = ""


def check_result(point: str, advice: str) -> CheckResult:
    """A result: wrong if there is advice, otherwise fine."""
    return CheckResult(point, "wrong" if advice else "fine", advice)


async def database(services: Services) -> list[CheckResult]:
    """Whether it answers; tables and columns, time zone, connections, clock."""
    try:
        found, asked_at = await operator.facts(services.database), time.time()
    except Unavailable:
        advice = "it does not answer, or refuses us: check that it is running, and address, password and name in DATABASE_URL"
        return [CheckResult("database", "wrong", advice)]
    drifted = [] if found["tables"] < TABLES else await operator.drifted_models(services.database)
    missing = (
        f"columns of {', '.join(drifted)} differ from schema.prisma: run prisma migrate deploy on the Next.js side"
    )
    return [*judge_database(found, asked_at), check_result("database columns", missing if drifted else "")]


def judge_database(found: Mapping[str, Any], asked_at: float) -> list[CheckResult]:
    """Judge the database by its own facts (``operator.facts``), as of the Unix time ``asked_at``."""
    skew_s = abs(float(found["now"]) - asked_at)
    free = found["max_connections"] - found["connections"]
    missing = "tables are missing: run prisma migrate deploy on the Next.js side"
    taken = "almost all are taken: lower connection_limit, or use a pool"
    return [
        check_result("database tables", "" if found["tables"] == TABLES else missing),
        check_result(
            "database time zone", "" if found["time_zone"] == "UTC" else "the connection must use TimeZone=UTC"
        ),
        check_result("database connections", "" if free > 3 else taken),
        check_result(
            "database clock", "" if skew_s < MAX_SKEW_S else f"it differs from this machine's by {skew_s:.0f} s"
        ),
    ]


async def storage(services: Services) -> list[CheckResult]:
    """Put, get and delete an object of our own; the bucket's rules."""
    key, content = f"doctor/{new_cuid()}", b"doctor"
    try:
        await services.storage.upload(key, BytesIO(content), len(content), "audio/webm")
        try:
            with (await services.storage.download(key, "doctor")).file as file:
                whole = file.read() == content
        finally:
            await services.storage.delete(key)
        kept = await services.storage.head(key)
        expires_days, origins = await services.storage.rules()
    except (Unavailable, Permanent) as error:
        advice = f"{error.message}: check the R2_ settings, and that the key may read, write and delete"
        return [CheckResult("storage", "wrong", advice)]
    except Exception as error:
        advice = f"the server is not an S3 store ({type(error).__name__}): check R2_ENDPOINT_URL"
        return [CheckResult("storage", "wrong", advice)]
    expire = 0 < (expires_days or 0) <= MAX_KEPT_DAYS
    lifecycle = f"no rule deletes recordings after {MAX_KEPT_DAYS} days or sooner: run python -m app bucket install"
    missing = (
        sorted({services.settings.app_url, *services.settings.allowed_origins} - set(origins))
        if "*" not in origins
        else []
    )
    cors = f"no CORS rule allows pages of {' and '.join(missing)}: their direct uploads fail" if missing else ""
    return [
        check_result("storage", "" if whole and kept is None else "a test object was not stored or not deleted"),
        check_result("storage lifecycle", "" if expire else lifecycle),
        CheckResult(
            "storage cors", "unknown" if cors else "fine", cors and f"{cors}: run python -m app bucket install"
        ),
    ]


async def sessions(services: Services) -> list[CheckResult]:
    """Invariants that sessions violate."""
    broken = await operator.broken_invariants(services.database, services.settings.processing_lease_seconds)
    return [
        CheckResult(
            f"sessions {each.rule}", "wrong", f"{_with_ids(each)}; all: python -m app sessions --broken {each.rule}"
        )
        for each in broken
    ] or [CheckResult("sessions", "fine")]


async def objects(services: Services) -> list[CheckResult]:
    """Objects of the bucket that no session needs."""
    found = await delete_orphans(services, dry_run=True)
    count, more = len(found.keys) + len(found.kept_keys), " or more" if found.continue_after else ""
    fate = "so many that the sweep keeps them: docs/operations.md" if found.kept_keys else "the sweep deletes them"
    advice = f"{count}{more} that no session needs: {fate}; python -m app sweep --dry-run lists them"
    return [check_result("storage objects", advice if count else "")]


async def profiles(services: Services, since: datetime | None) -> list[CheckResult]:
    """Whether the profiles of learners created since then add up to what their sessions count."""
    if since is None:
        return [
            CheckResult(
                "profiles", "unknown", "not compared: pass --since, the date from which this service wrote them"
            )
        ]
    broken = {each.rule: each for each in await operator.wrong_profiles(services.database, since, MAX_IDS)}
    below, above = broken.get(operator.PROFILE_BELOW), broken.get(operator.PROFILE_ABOVE)
    lost = f"{_with_ids(below)}: their counts are below the sums of their sessions" if below else ""
    more = [CheckResult("profiles above", "unknown", f"{_with_ids(above)}: {ABOVE}")] if above else []
    return [check_result("profiles", lost), *more]


def _with_ids(broken: operator.Broken) -> str:
    return f"{broken.count}, such as {', '.join(broken.ids)}"
