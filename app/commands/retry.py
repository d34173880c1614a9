"""Process a FAILED session again, after the cause is gone.

A message replayed from QStash's dead letter queue is a first delivery, which FAILED refuses; this publishes a new one.
"""

import argparse
import asyncio
import sys

from app.adapters.qstash.queue import QueueRefused
from app.checks import load
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The session."""
    parser.add_argument("session", help="the session's id")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; 1 with a sentence where nothing was published. Raises SettingsError."""
    try:
        problem = asyncio.run(_with_services(arguments.session, load()))
    except (AppError, QueueRefused) as error:
        problem = f"{error}; run this again"
    if problem:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problem else 0


async def _with_services(session_id: str, settings: Settings) -> str | None:
    async with open_services(settings) as services:
        return await retry(session_id, services)
