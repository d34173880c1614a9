"""Delete a learner: every row, every stored object, every queued message. Safe to repeat."""

import argparse
import sys

from app.commands.running import CommandError
from app.recordings.deletion import folder_of_user
from app.services import Services
from app.sessions import operator
from app.settings import Settings

LEFT = (
    "left elsewhere: log lines and traces, which hold ids only; database backups, until they expire; "
    "the signed-in session of the frontend, until its cookie expires"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The learner."""
    parser.add_argument("learner", help="the learner's external id, or id")
    parser.add_argument("--yes", action="store_true", help="do not ask")


async def run(arguments: argparse.Namespace, services: Services, _settings: Settings) -> int:
    """Forget. Raises SettingsError."""
    found = await operator.find_learner(services.database, arguments.learner)
    if found is None:
        print("there is no such learner (any more)")
        return 0
    user_id, sessions = found
    if not arguments.yes and not _confirmed(user_id, len(sessions)):
        raise CommandError("nothing was deleted: say --yes")
    cancelled = 0
    for session_id in sessions:
        cancelled += await services.queue.cancel(session_id)
    await operator.forget(services.database, user_id)
    # After the rows, so that an upload in progress finds its session gone and deletes what it stored.
    objects = await services.storage.delete_below(folder_of_user(user_id))
    print(f"deleted {len(sessions)} sessions, {objects} objects, {cancelled} queued messages\n{LEFT}")
    return 0


def _confirmed(user_id: str, sessions: int) -> bool:
    if not sys.stdin.isatty():
        return False
    return input(f"Delete learner {user_id} with {sessions} sessions for good? Type yes: ") == "yes"
