"""Install, remove or show the QStash schedule that calls the sweep.

Needs no settings but APP_URL and QStash's token.
"""

import argparse
import asyncio
import json
import sys

from app.adapters.qstash.queue import QueueRefused
from app.checks import read
from app.commands.qstash_only import open_queue
from app.errors import AppError
from app.settings import QueueSettings

SCHEDULE_ID = "speaking-session-sweep"
EVERY_TEN_MINUTES = "*/10 * * * *"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("action", choices=["install", "remove", "show"])
    parser.add_argument("--cron", default=EVERY_TEN_MINUTES, help="when, in UTC (default every ten minutes)")


def run(arguments: argparse.Namespace) -> int:
    """Run the command. If QStash does not do it, print a sentence and return 1. Raises SettingsError."""
    action, cron = arguments.action, arguments.cron
    try:
        asyncio.run(change(action, cron, read(QueueSettings)))
    except QueueRefused as error:
        hint = "is QSTASH_TOKEN right?"
        if error.status in (404, 405):
            hint = "is QSTASH_URL an address without a path?"
        elif action == "install" and error.status != 401:
            hint = f"is {cron!r} a cron expression of five fields?"
        print(f"error: {error}: {hint}", file=sys.stderr)
        return 1
    except AppError as error:
        print(f"error: {error}; run this again", file=sys.stderr)
        return 1
    if action != "show":
        print(f"{SCHEDULE_ID}: {'installed' if action == 'install' else 'removed'}")
    return 0


async def change(action: str, cron: str, settings: QueueSettings) -> None:
    """Install the schedule, or overwrite it; remove it; or show it. Idempotent. Raises Unavailable, QueueRefused."""
    async with open_queue(settings) as queue:
        if action == "show":
            print(json.dumps(await queue.find_schedule(SCHEDULE_ID), indent=2))
        elif action == "install":
            await queue.schedule(SCHEDULE_ID, settings.sweep_url, cron)
        elif await queue.find_schedule(SCHEDULE_ID):
            await queue.unschedule(SCHEDULE_ID)
