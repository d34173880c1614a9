"""Show one session: what happened, what is stored, QStash's events for its messages."""

import argparse
from typing import Any

from app.adapters.qstash.queue import QueueRefused
from app.commands.running import CommandError, add_json, print_json, print_rows, printable
from app.errors import Unavailable
from app.services import Services
from app.sessions import operator


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The session."""
    parser.add_argument("session", help="the session's id")
    add_json(parser)


async def run(arguments: argparse.Namespace, services: Services) -> int:
    """Print the session. Raises SettingsError."""
    row = await operator.show(services.database, arguments.session, services.settings.processing_lease_seconds)
    if row is None:
        raise CommandError("there is no such session")
    try:
        stored = await services.storage.head(row["audio_key"]) if row["audio_key"] else None
        row["audio_bytes"] = stored.size_bytes if stored else None
    except Unavailable:
        row["audio_bytes"] = "storage did not answer"
    try:
        events: list[dict[str, Any]] = await services.queue.events(arguments.session)
    except (Unavailable, QueueRefused):
        events = [{"state": "QStash did not answer"}]
    if arguments.json:
        print_json({**row, "events": events})
        return 0
    for name, value in row.items():
        print(f"{name:18}{printable(value) or '-'}")
    print()
    print_rows(events, ("time", "state", "message_id", "status", "next_delivery"), as_json=False)
    return 0
