"""Write every row of a learner as JSON to standard output, for a learner who asks."""

import argparse
import json

from app.commands.running import CommandError
from app.services import Services
from app.sessions import operator
from app.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The learner."""
    parser.add_argument("learner", help="the learner's external id, or id")


async def run(arguments: argparse.Namespace, services: Services, _settings: Settings) -> int:
    """Export. Raises SettingsError."""
    rows = await operator.export(services.database, arguments.learner)
    if rows is None:
        raise CommandError("there is no such learner")
    print(json.dumps(rows, ensure_ascii=False, indent=2))
    return 0
