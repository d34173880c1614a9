"""Write every row of a learner as JSON to standard output, for a learner who asks."""

import argparse

from app.commands.running import CommandError, named_learner, print_json
from app.services import Services
from app.sessions import operator
from app.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The learner."""
    parser.add_argument("learner", help="the learner's external id, id or e-mail address")


async def run(arguments: argparse.Namespace, services: Services, _settings: Settings) -> int:
    """Export. Raises SettingsError."""
    found = await named_learner(services, arguments.learner)
    rows = await operator.export(services.database, found[0]) if found else None
    if rows is None:
        raise CommandError("there is no such learner")
    print_json(rows)
    return 0
