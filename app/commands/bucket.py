"""Install or check the bucket's rules: recordings expire after a week, browsers may upload directly."""

import argparse

from app.commands.running import CommandError
from app.services import Services


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("action", choices=["install", "check"])
    parser.add_argument("--origin", action="append", default=[], help="a page that uploads directly; may be repeated")


async def run(arguments: argparse.Namespace, services: Services) -> int:
    """Print the rules, after installing them if asked to. Raises CommandError if no rule deletes recordings."""
    if arguments.action == "install":
        origins = sorted({services.settings.app_url, *services.settings.allowed_origins, *arguments.origin})
        await services.storage.install_rules(origins)
    expires_days, origins = await services.storage.rules()
    print(f"recordings expire after: {expires_days or '-'} days")
    print(f"browsers may upload from: {', '.join(origins) or '-'}")
    if not expires_days:
        raise CommandError("no lifecycle rule for sessions/: run python -m app bucket install")
    return 0
