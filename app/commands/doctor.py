"""Check this deployment from inside: each point is fine, wrong or unknown, with what to do. Exit code 1 if any is wrong."""

import argparse
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from datetime import datetime

from app.checks import SettingsError, warnings
from app.commands import checkups, outside_checkups, qstash_checkups
from app.commands.checkups import Finding
from app.commands.queue import take_signing_keys
from app.commands.running import add_json, moment, print_rows, with_services
from app.errors import AppError
from app.services import Services
from app.settings import Settings

CHECKUPS: tuple[Callable[[Services, Settings], Awaitable[list[Finding]]], ...] = (
    *(checkups.database, checkups.storage, qstash_checkups.qstash, outside_checkups.address, outside_checkups.models),
    *(checkups.sessions, checkups.objects),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How far back to look, how to print it."""
    parser.add_argument(
        "--since", type=moment, metavar="DATE", help="compare the profiles of learners made since, such as 2026-11-24"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run every check. Raises SettingsError."""
    # As ``serve`` does. If QStash does not give them, a check below reports it.
    with suppress(SettingsError):
        take_signing_keys()
    return with_services(_report, arguments)


async def _report(arguments: argparse.Namespace, services: Services, settings: Settings) -> int:
    findings = [finding async for finding in examine(services, settings, arguments.since)]
    rows = [vars(finding) for finding in findings]
    print_rows(rows, ("point", "verdict", "advice"), as_json=arguments.json)
    return 1 if any(finding.verdict == "wrong" for finding in findings) else 0


async def examine(
    services: Services, settings: Settings, since: datetime | None = None
) -> AsyncGenerator[Finding, None]:
    """The findings of every check, in order. A check that cannot run is reported as unknown, and does not stop the others."""

    async def profiles(services: Services, _settings: Settings) -> list[Finding]:
        return await checkups.profiles(services, since)

    missing = warnings(settings)
    yield Finding("settings", "wrong" if missing else "fine", "; ".join(missing))
    for checkup in (*CHECKUPS, profiles):
        try:
            for finding in await checkup(services, settings):
                yield finding
        except AppError as error:
            yield Finding(checkup.__name__.replace("_", " "), "unknown", f"{error.message}: check it again")
        except Exception as error:
            # What another service answered is of no shape that we know. The message may quote it.
            advice = f"the check failed with {type(error).__name__}: does its setting name the right address?"
            yield Finding(checkup.__name__.replace("_", " "), "unknown", advice)
