"""Applies ``migrations/`` to a database, the way Prisma Migrate would."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent


def node() -> str:
    """The Node to run: ``PRISMA_ENGINE_NODE`` where the Makefile found none on the machine."""
    return os.environ.get("PRISMA_ENGINE_NODE", "node")


def migrate(database_url: str) -> None:
    """Bring the database's tables up to date. Idempotent. Raises RuntimeError with the reason."""
    command = [node(), str(ROOT / "engine" / "schema.mjs"), "migrate"]
    env = {**os.environ, "DATABASE_URL": database_url}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the database could not be prepared: {done.stderr.strip()}")
