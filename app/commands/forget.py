"""Delete a learner: every row, every stored object, every queued message. Safe to repeat."""

import argparse
import asyncio
import re
import signal
import sys

from app.adapters.qstash.queue import QueueRefused
from app.commands.running import CommandError, find_one_learner
from app.errors import Unavailable
from app.recordings.deletion import folder_of_user
from app.recordings.direct_upload import EXPIRES_S
from app.services import Services
from app.sessions import operator

LEFT = (
    "not deleted: log lines, traces and QStash's events, which hold ids only; database backups, until they expire; what "
    "OpenAI and Anthropic keep under their own terms; the signed-in session of the frontend, until its cookie expires"
)
# An upload may still arrive at a URL that was signed earlier: app/recordings/direct_upload.py.
RUN_AGAIN = f"in {EXPIRES_S // 60} minutes run this again with the id {{}}, to delete uploads that were in progress"
# Maximum number of sessions whose messages are cancelled concurrently.
AT_ONCE = 8
# A cuid, as both back ends make them.
USER_ID = re.compile(r"c[0-9a-z]{24}", re.ASCII)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("learner", help="the learner's external id, id or e-mail address")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")


async def run(arguments: argparse.Namespace, services: Services) -> int:
    """Delete the learner, after confirmation. Raises SettingsError."""
    found = await find_one_learner(services, arguments.learner)
    if found is None and not USER_ID.fullmatch(arguments.learner):
        print("there is no such learner; to delete what is left in storage, pass the id that was printed")
        return 0
    user_id, sessions = found or (arguments.learner, [])
    if not arguments.yes and not _confirmed(user_id, len(sessions)):
        raise CommandError("nothing was deleted: pass --yes")
    print(f"deleting learner {user_id}; if this fails, run it again with this id", flush=True)
    messages = await _cancel(services, sessions)
    # Before the rows: if storage is down, the learner is still found the next time. After them: an upload in progress finds
    # its session gone, and deletes what it stored.
    objects = await services.storage.delete_prefix(folder_of_user(user_id))
    await operator.forget(services.database, user_id)
    objects += await services.storage.delete_prefix(folder_of_user(user_id))
    if found is None:
        print(f"there is no such learner (any more); {objects} objects were left and are deleted")
        return 0
    print(f"deleted {len(sessions)} sessions, {objects} objects, {messages}\n{RUN_AGAIN.format(user_id)}\n{LEFT}")
    return 0


async def _cancel(services: Services, sessions: list[str]) -> str:
    """Cancel the queued messages of these sessions. An outage of QStash must not delay the deletion."""
    limit, down = asyncio.Semaphore(AT_ONCE), False

    async def cancel(session_id: str) -> int:
        nonlocal down
        async with limit:
            if not down:
                try:
                    return await services.queue.cancel(session_id)
                except (Unavailable, QueueRefused):
                    down = True
        return 0

    cancelled = sum(await asyncio.gather(*(cancel(session_id) for session_id in sessions)))
    missed = "; QStash did not answer, so some may be left: they hold ids only, and their delivery will be refused"
    return f"{cancelled} queued messages{missed if down else ''}"


def _confirmed(user_id: str, sessions: int) -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    # asyncio's handler would leave the prompt waiting.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return input(f"Delete learner {user_id} with {sessions} sessions for good? Type yes: ") == "yes"
    except EOFError:
        return False
    finally:
        signal.signal(signal.SIGINT, handler)
