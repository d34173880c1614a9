"""Applies ``migrations/`` to a database, as Prisma Migrate does."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent


def node() -> str:
    """Return the Node to run: ``PRISMA_ENGINE_NODE``, or the one on the path."""
    return os.environ.get("PRISMA_ENGINE_NODE", "node")


def migrate(database_url: str) -> None:
    """Apply the pending migrations. Idempotent. Raises RuntimeError with the reason."""
    command = [node(), str(ROOT / "engine" / "schema.mjs"), "migrate"]
    env = {**os.environ, "DATABASE_URL": database_url}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the database could not be migrated: {done.stderr.strip()}")
