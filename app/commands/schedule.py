"""``python -m app.commands.schedule install|remove``: the QStash schedule that calls the sweep."""

import argparse
import asyncio
import sys

from app.adapters.qstash.queue import QueueRefused
from app.errors import AppError
from app.services import open_services
from app.settings import Settings

SCHEDULE_ID = "speaking-session-sweep"
EVERY_TEN_MINUTES = "*/10 * * * *"


async def change(action: str, cron: str, settings: Settings) -> None:
    """Install the schedule, or overwrite it; or remove it. Idempotent. Raises Unavailable, QueueRefused."""
    async with open_services(settings) as services:
        if action == "install":
            await services.queue.schedule(SCHEDULE_ID, settings.sweep_url, cron)
        else:
            await services.queue.unschedule(SCHEDULE_ID)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m app.commands.schedule", description="Have QStash call the sweep regularly."
    )
    parser.add_argument("action", choices=["install", "remove"])
    parser.add_argument("--cron", default=EVERY_TEN_MINUTES, help=f"when, in UTC (default {EVERY_TEN_MINUTES!r})")
    arguments = parser.parse_args()
    try:
        asyncio.run(change(arguments.action, arguments.cron, Settings()))  # pyright: ignore[reportCallIssue]
    except (AppError, QueueRefused) as error:
        sys.exit(f"error: {error}")
    print(f"{SCHEDULE_ID}: {'installed' if arguments.action == 'install' else 'removed'}")


if __name__ == "__main__":
    main()
