"""Shared by the commands: running with services, parsing times, printing rows as columns or JSON."""

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.adapters.qstash.queue import QueueRefused
from app.checks import load
from app.errors import AppError
from app.logs import configure_logging
from app.services import Services, open_services
from app.sessions import operator

Command = Callable[[argparse.Namespace, Services], Awaitable[int]]
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST_S = 3650 * 86_400


class CommandError(Exception):
    """The command cannot do what it was asked for; the message says why and what to do."""


def with_services(command: Command, arguments: argparse.Namespace) -> int:
    """Run a command with the services. If it fails, print a sentence and return 1. Raises SettingsError."""
    settings = load()
    # Standard output is for the command's result.
    configure_logging("console", sys.stderr)

    async def run() -> int:
        async with open_services(settings) as services:
            return await command(arguments, services)

    try:
        return asyncio.run(run())
    except QueueRefused as error:
        problem = f"{error}: is QSTASH_TOKEN that of the region in QSTASH_URL?"
    except AppError as error:
        problem = f"{error.message}: run this again, or see python -m app doctor"
    except CommandError as error:
        problem = str(error)
    except KeyboardInterrupt:
        print("\nstopped; finished work is kept", file=sys.stderr)
        return 130
    print(f"error: {problem}", file=sys.stderr)
    return 1


async def find_one_learner(services: Services, learner: str) -> tuple[str, list[str]] | None:
    """Id and sessions of the learner with this external id, id or e-mail address. Raises CommandError for several."""
    if not learner.strip():
        raise CommandError("the learner must not be empty")
    found = await operator.find_learners(services.database, learner)
    if len(found) > 1:
        raise CommandError(f"several learners share this address: name one by id: {', '.join(id_ for id_, _ in found)}")
    return found[0] if found else None


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add --json, which every listing has."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of columns")


def seconds(text: str) -> int:
    """A duration such as 90s, 15m, 2h or 7d."""
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration: write 90s, 15m, 2h or 7d")
    if (length := int(found[1]) * _UNITS[found[2]]) > _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is too long: the maximum is 3650d")
    return length


def parse_time(text: str) -> datetime:
    """A day or a time, in UTC if it names no zone."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a date: write it as 2026-11-24") from None


def print_json(value: object) -> None:
    """Print JSON, with letters beyond ASCII escaped unless the output is UTF-8."""
    print(json.dumps(value, ensure_ascii=sys.stdout.encoding.lower() != "utf-8", indent=2))


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Rows in aligned columns, or as a JSON array with every key."""
    if as_json:
        print_json([dict(row) for row in rows])
        return
    table = [list(columns), *([printable(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[index]) for line in table) for index in range(len(columns))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def printable(value: object) -> str:
    """A value for a terminal; empty for None."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    # Stored text must not send control characters to the terminal.
    return "" if value is None else "".join(c if c.isprintable() else "?" for c in str(value))
