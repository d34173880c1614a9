"""Check this deployment: each point is fine, wrong or unknown, with advice. Exit code 1 if any is wrong."""

import argparse
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from datetime import datetime

from app.checks import SettingsError, warnings
from app.commands import checkups, outside_checkups, qstash_checkups
from app.commands.checkups import CheckResult
from app.commands.qstash_only import fetch_signing_keys
from app.commands.running import add_json, parse_time, print_rows, with_services
from app.errors import AppError
from app.services import Services

CHECKUPS: tuple[Callable[[Services], Awaitable[list[CheckResult]]], ...] = (
    *(checkups.database, checkups.storage, qstash_checkups.qstash, outside_checkups.address, outside_checkups.models),
    *(checkups.sessions, checkups.objects),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How far back to look, how to print it."""
    parser.add_argument(
        "--since",
        type=parse_time,
        metavar="DATE",
        help="compare the profiles of learners created since, such as 2026-11-24",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run every check. Raises SettingsError."""
    # As ``serve`` does. If QStash does not give them, a check below reports it.
    with suppress(SettingsError):
        fetch_signing_keys()
    return with_services(_report, arguments)


async def _report(arguments: argparse.Namespace, services: Services) -> int:
    results = [result async for result in examine(services, arguments.since)]
    rows = [vars(result) for result in results]
    print_rows(rows, ("point", "verdict", "advice"), as_json=arguments.json)
    return 1 if any(result.verdict == "wrong" for result in results) else 0


async def examine(services: Services, since: datetime | None = None) -> AsyncGenerator[CheckResult, None]:
    """The results of every check, in order. A check that cannot run is reported as unknown, and does not stop the others."""

    async def profiles(services: Services) -> list[CheckResult]:
        return await checkups.profiles(services, since)

    missing = warnings(services.settings)
    yield CheckResult("settings", "wrong" if missing else "fine", "; ".join(missing))
    for checkup in (*CHECKUPS, profiles):
        try:
            for result in await checkup(services):
                yield result
        except AppError as error:
            yield CheckResult(checkup.__name__.replace("_", " "), "unknown", f"{error.message}: run doctor again")
        except Exception as error:
            # Another service answered in an unknown form. The message may quote it.
            advice = f"the check failed with {type(error).__name__}: does its setting name the right address?"
            yield CheckResult(checkup.__name__.replace("_", " "), "unknown", advice)
