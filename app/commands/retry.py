"""Retry FAILED sessions after the cause has been corrected.

A message replayed from QStash's dead letter queue counts as a first delivery, which a FAILED session refuses. So this command
publishes a new message.
"""

import argparse
import asyncio
import sys

from app.adapters.qstash.queue import QueueRefused
from app.commands.running import CommandError, seconds
from app.errors import Unavailable
from app.services import Services
from app.sessions import operator, repair

LEAST_RATE, MOST_RATE = 0.01, 1000


async def retry(session_id: str, services: Services, *, dry_run: bool = False) -> str | None:
    """Set the session to UPLOADED and publish it. Returns None, or why not. Repeatable. Raises Unavailable.

    With ``dry_run`` nothing is changed or published.
    """
    version = await repair.reopen(services.database, session_id, dry_run=dry_run)
    if version is None:
        return "only a FAILED session with its recording or its transcript left can be retried"
    if dry_run:
        return None
    try:
        await services.queue.publish(session_id, run=f"retry-{version}")
    except (Unavailable, QueueRefused):
        return (
            "QStash did not accept the message: see python -m app doctor; run this again, or leave it to the next sweep"
        )
    await repair.mark_published(services.database, {session_id: version})
    return None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("sessions", nargs="*", default=[], metavar="SESSION", help="ids of sessions")
    which.add_argument(
        "--failed-since", type=seconds, metavar="TIME", help="all that failed within TIME, such as 2h or 3d"
    )
    which.add_argument(
        "--misconfigured", action="store_true", help="all that failed because of a configuration error on our side"
    )
    parser.add_argument("--rate", type=float, default=10, help="sessions a second at most (default 10)")
    parser.add_argument(
        "--dry-run", action="store_true", help="only say which sessions these are, and which can be retried"
    )


async def run(arguments: argparse.Namespace, services: Services) -> int:
    """Retry them; 1 if any could not be retried. Raises SettingsError."""
    sessions = await _chosen(arguments, services)
    if not LEAST_RATE <= arguments.rate <= MOST_RATE:
        raise CommandError(f"--rate is from {LEAST_RATE} to {MOST_RATE}")
    refused = 0
    for number, session_id in enumerate(sessions, 1):
        problem = await retry(session_id, services, dry_run=arguments.dry_run)
        refused += problem is not None
        done = "would be published" if arguments.dry_run else "published"
        print(f"{number} of {len(sessions)}  {session_id}  {problem or done}", flush=True)
        if number < len(sessions) and not arguments.dry_run:
            await asyncio.sleep(1 / arguments.rate)
    if not sessions:
        print("no session to retry")
    if len(sessions) == repair.MAX_LISTED:
        print(f"only the oldest {repair.MAX_LISTED:,}: run this again for the rest", file=sys.stderr)
    if refused:
        print(f"error: {refused} of {len(sessions)} could not be retried", file=sys.stderr)
    return 1 if refused else 0


async def _chosen(arguments: argparse.Namespace, services: Services) -> list[str]:
    if arguments.misconfigured:
        return await operator.misconfigured(services.database)
    if arguments.failed_since is not None:
        return await operator.failed_since(services.database, arguments.failed_since)
    return list(dict.fromkeys(arguments.sessions))
