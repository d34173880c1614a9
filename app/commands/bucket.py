"""Install or check the bucket's rules: recordings expire after a week, browsers may upload directly."""

import argparse

from app.commands.running import CommandError
from app.services import Services
from app.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do."""
    parser.add_argument("action", choices=["install", "check"])
    parser.add_argument("--origin", action="append", default=[], help="a page that uploads directly; may be repeated")


async def run(arguments: argparse.Namespace, services: Services, settings: Settings) -> int:
    """Do it; 1 if the rules are not there. Raises SettingsError."""
    if arguments.action == "install":
        origins = sorted({settings.app_url, *settings.allowed_origins, *arguments.origin})
        await services.storage.install_rules(origins)
    rules = await services.storage.rules()
    print(f"recordings expire after: {rules.expires_days or '-'} days")
    print(f"browsers may upload from: {', '.join(rules.origins) or '-'}")
    if not rules.expires_days:
        raise CommandError("no lifecycle rule for sessions/: run python -m app bucket install")
    return 0
