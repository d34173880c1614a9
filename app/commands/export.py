"""Write every row of a learner as JSON to standard output, on their request."""

import argparse

from app.commands.running import CommandError, find_one_learner, print_json
from app.services import Services
from app.sessions import operator


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("learner", help="the learner's external id, id or e-mail address")


async def run(arguments: argparse.Namespace, services: Services) -> int:
    """Print the learner's data as JSON. Raises SettingsError."""
    found = await find_one_learner(services, arguments.learner)
    rows = await operator.export(services.database, found[0]) if found else None
    if rows is None:
        raise CommandError("there is no such learner")
    print_json(rows)
    return 0
