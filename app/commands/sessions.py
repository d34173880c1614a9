"""List sessions by status, age, learner or reason, and count them."""

import argparse

from app.commands.running import CommandError, add_json, print_rows, seconds
from app.services import Services
from app.sessions import operator, repair
from app.sessions.status import ANALYZING, CREATED, DONE, FAILED, TRANSCRIBING, UPLOADED

STATUSES = (CREATED, UPLOADED, TRANSCRIBING, ANALYZING, DONE, FAILED)
COLUMNS = ("id", "status", "updated_at", "learner", "audio_stored", "reason")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--status", default="", type=str.upper, choices=STATUSES, help="such as FAILED")
    parser.add_argument(
        "--older-than", default=0, type=seconds, metavar="TIME", help="unchanged for at least this long: 15m, 2h, 7d"
    )
    parser.add_argument("--learner", default="", help="external id or id")
    parser.add_argument("--reason", default="", help="text contained in the error message")
    parser.add_argument(
        "--limit", default=50, type=int, help=f"the maximum number (default 50, up to {repair.MAX_LISTED:,})"
    )
    parser.add_argument(
        "--broken", choices=operator.RULES, help="only the ids of those that break a rule, as doctor names it"
    )
    parser.add_argument("--totals", action="store_true", help="count the sessions in each status instead")
    add_json(parser)


async def run(arguments: argparse.Namespace, services: Services) -> int:
    """Print the sessions, or how many there are of each status. Raises SettingsError."""
    a, limit = arguments, arguments.limit
    if not 1 <= limit <= repair.MAX_LISTED:
        raise CommandError(f"--limit is from 1 to {repair.MAX_LISTED:,}")
    if (a.status or a.older_than or a.learner or a.reason) and (a.broken or a.totals):
        raise CommandError("--broken and --totals cover all sessions and take no other filters")
    if a.broken:
        broken = await operator.broken_invariants(services.database, services.settings.processing_lease_seconds, limit)
        rows, columns = [{"id": id_} for each in broken if each.rule == a.broken for id_ in each.ids], ("id",)
    elif a.totals:
        rows, columns = await operator.totals(services.database), ("status", "sessions", "oldest_s")
    else:
        wanted = (a.status, a.older_than, a.learner, a.reason, limit)
        rows, columns = await operator.list_sessions(services.database, *wanted), COLUMNS
    print_rows(rows, columns, as_json=a.json)
    return 0
