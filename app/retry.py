"""``python -m app.retry SESSION``: an operator's way back for a session that FAILED, after the cause is gone.

A message replayed from QStash's dead letter queue is a first delivery, which FAILED refuses; this publishes a new one.
"""

import argparse
import asyncio
import sys
import time

from app.adapters.qstash import QueueRefused
from app.errors import AppError
from app.services import open_services
from app.sessions import upkeep
from app.settings import Settings


async def retry(session_id: str, settings: Settings) -> str | None:
    """Take the session back to UPLOADED and publish it. None, or why not. Raises Unavailable, QueueRefused."""
    async with open_services(settings) as services:
        if not await upkeep.reopen(services.database, session_id):
            return "only a FAILED session with its recording or its transcript left can be retried"
        await services.queue.publish(session_id, run=f"retry-{time.time_ns()}")
    return None


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m app.retry", description="Process a FAILED session again.")
    parser.add_argument("session", help="the session's id")
    try:
        problem = asyncio.run(retry(parser.parse_args().session, Settings()))  # pyright: ignore[reportCallIssue]
    except (AppError, QueueRefused) as error:
        problem = f"{error}; run this again"
    sys.exit(f"error: {problem}" if problem else 0)


if __name__ == "__main__":
    main()
