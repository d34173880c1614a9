"""Sweep now: publish the backlog, give up on sessions that cannot succeed, delete what no session needs."""

import argparse
import json
from dataclasses import asdict

from app.commands.running import CommandError
from app.recordings.orphans import Orphans, delete_orphans
from app.services import Services
from app.settings import Settings
from app.sweep import plan, sweep


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How much of a sweep to run."""
    parser.add_argument("--dry-run", action="store_true", help="list what it would do, and change nothing")
    parser.add_argument(
        "--delete-orphans",
        action="store_true",
        help="delete orphaned recordings even if there are suspiciously many: the bucket belongs to this database alone",
    )


async def run(arguments: argparse.Namespace, services: Services, _settings: Settings) -> int:
    """Sweep, and print the counts as JSON. Raises SettingsError."""
    if arguments.dry_run or arguments.delete_orphans:
        found, after = Orphans(), ""
        while True:
            page = await delete_orphans(services, after, confirmed=arguments.delete_orphans, dry_run=arguments.dry_run)
            found.deleted, found.kept = found.deleted + page.deleted, found.kept + page.kept
            found.keys += page.keys
            if not page.continue_after:
                break
            after = page.continue_after
        if arguments.dry_run:
            print(json.dumps({**await plan(services), "delete_orphan": found.keys}, indent=2))
        else:
            print(json.dumps({"orphans_deleted": found.deleted, "orphans_kept": found.kept}))
        return 0
    swept = await sweep(services)
    print(json.dumps(asdict(swept)))
    if swept.not_published:
        raise CommandError(f"{swept.not_published} sessions could not be published: see python -m app doctor")
    return 0
