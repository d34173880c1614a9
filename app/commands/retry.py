"""``python -m app.commands.retry SESSION``: an operator's way back for a session that FAILED, after the cause is gone.

A message replayed from QStash's dead letter queue is a first delivery, which FAILED refuses; this publishes a new one.
"""

import argparse
import asyncio
import sys

from app.adapters.qstash.queue import QueueRefused
from app.errors import AppError
from app.services import Services, open_services
from app.sessions import repair
from app.settings import Settings


async def retry(session_id: str, services: Services) -> str | None:
    """Take the session back to UPLOADED and publish it; repeatable. None, or why not. Raises Unavailable, QueueRefused."""
    version = await repair.reopen(services.database, session_id)
    if version is None:
        return "only a FAILED session with its recording or its transcript left can be retried"
    await services.queue.publish(session_id, run=f"retry-{version}")
    return None


async def _run(session_id: str) -> str | None:
    async with open_services(Settings()) as services:  # pyright: ignore[reportCallIssue]  # from the environment
        return await retry(session_id, services)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m app.commands.retry", description="Process a FAILED session again.")
    parser.add_argument("session", help="the session's id")
    try:
        problem = asyncio.run(_run(parser.parse_args().session))
    except (AppError, QueueRefused) as error:
        problem = f"{error}; run this again"
    sys.exit(f"error: {problem}" if problem else 0)


if __name__ == "__main__":
    main()
