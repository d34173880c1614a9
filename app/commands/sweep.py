"""Sweep now: publish the backlog, give up on sessions that cannot succeed, delete what no session needs."""

import argparse
import json
import sys
from dataclasses import asdict
from math import inf

from app.commands.running import CommandError
from app.errors import Unavailable
from app.recordings.orphans import delete_orphans
from app.services import Services
from app.sessions import repair
from app.sweep import plan, sweep


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--dry-run", action="store_true", help="list what it would do, and change nothing")
    parser.add_argument(
        "--delete-orphans",
        action="store_true",
        help="delete orphaned recordings even if there are suspiciously many: the bucket belongs to this database alone",
    )


async def run(arguments: argparse.Namespace, services: Services) -> int:
    """Sweep, and print the counts as JSON. Raises SettingsError."""
    if arguments.dry_run:
        return await _dry_run(services, confirmed=arguments.delete_orphans)
    if arguments.delete_orphans:
        found = await delete_orphans(services, confirmed=True, timeout_s=inf)
        print(json.dumps({"orphans_deleted": found.deleted, "orphans_kept": found.kept}))
        return 0
    swept = await sweep(services)
    print(json.dumps(asdict(swept)))
    if swept.not_published:
        raise CommandError(f"{swept.not_published} sessions could not be published: see python -m app doctor")
    return 0


async def _dry_run(services: Services, *, confirmed: bool) -> int:
    planned = await plan(services)
    if any(len(ids) >= repair.MAX_LISTED for ids in planned.values()):
        print(f"only the first {repair.MAX_LISTED:,} of each kind are listed", file=sys.stderr)
    try:
        found = await delete_orphans(services, confirmed=confirmed, dry_run=True, timeout_s=inf)
    except Unavailable:
        print(json.dumps({**planned, "delete_orphan": None, "keep_orphan": None}, indent=2))
        raise CommandError("storage did not answer, so orphans are not listed: see python -m app doctor") from None
    # A sweep deletes the recording of a session before it looks for orphans.
    deleted = set(planned["delete_recording"])
    keys = [key for key in found.keys if key.split("/")[2] not in deleted]
    print(json.dumps({**planned, "delete_orphan": keys, "keep_orphan": found.kept_keys}, indent=2))
    return 0
