"""List, retry or delete messages that QStash has given up on.

A retry goes through our own checks, which know what each session still needs, and then deletes the dead letter.
"""

import argparse

from app.commands.retry import retry
from app.commands.running import CommandError, add_json, print_rows
from app.services import Services

COLUMNS = ("id", "failed_at", "status", "session_id", "path")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The action, and the dead letters it applies to."""
    parser.add_argument("action", choices=["list", "retry", "delete"])
    parser.add_argument("ids", nargs="*", metavar="ID", help="dead letters, as list shows them")
    parser.add_argument("--all", action="store_true", help="every dead letter of this service")
    add_json(parser)


async def run(arguments: argparse.Namespace, services: Services) -> int:
    """List, retry or delete them; 1 if any could not be retried. Raises SettingsError."""
    letters = await services.queue.dead_letters(services.settings.app_url, services.settings.sweep_url)
    if arguments.action == "list":
        print_rows(letters, COLUMNS, as_json=arguments.json)
        return 0
    chosen = [letter for letter in letters if arguments.all or letter["id"] in arguments.ids]
    if unknown := set(arguments.ids) - {letter["id"] for letter in chosen}:
        raise CommandError(f"no such dead letter: {', '.join(sorted(unknown))}")
    if not chosen and not arguments.all:
        raise CommandError("pass the ids of dead letters, or --all")
    outcomes: list[dict[str, str]] = []
    failed = 0
    for letter in chosen:
        problem = None
        if arguments.action == "retry":
            session_id = letter["session_id"]
            problem = await retry(session_id, services) if session_id else "its message names no session"
        if problem is None:
            await services.queue.delete_dead_letter(letter["id"])
        failed += problem is not None
        outcomes.append({"id": letter["id"], "outcome": problem or "done"})
        if not arguments.json:
            print(f"{letter['id']}  {problem or 'done'}", flush=True)
    if arguments.json:
        print_rows(outcomes, ("id", "outcome"), as_json=True)
    return 1 if failed else 0
