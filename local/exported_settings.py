"""Keeps exported settings away from the local stack, unless they were asked for.

An exported DATABASE_URL may be the production database. So the local stack only uses a setting that is in
``.env.local`` or named on make's command line (``make run APP_URL=…``); with ``WITH_ENV=1`` it uses all of them.
"""

import os
import subprocess
import sys
from collections.abc import MutableMapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from dotenv import dotenv_values

from app.settings import Settings
from local.environment import StackError
from local.migrate import ROOT
from local.postgres_programs import program

FILE = ROOT / ".env.local"
NAMES = frozenset({name.upper() for name in Settings.model_fields} | {"NEXTAUTH_SECRET"})
# The Makefile lists in this variable the settings named on its command line.
REQUESTED = "LOCAL_SETTINGS"


def filter_environment(environment: MutableMapping[str, str], *, everything: bool, file: Path = FILE) -> list[str]:
    """Remove settings that were not asked for from ``environment`` and add those in ``file``.

    Returns the names of the removed settings.
    """
    requested = NAMES if everything else NAMES & set(environment.get(REQUESTED, "").split())
    ignored = sorted(name for name in NAMES - requested if environment.get(name))
    for name in ignored:
        del environment[name]
    values = dotenv_values(file) if file.is_file() else {}
    for name, value in values.items():
        if value and name not in environment:
            environment[name] = value
    return ignored


def confirm_database(url: str, *, yes: bool) -> None:
    """Print which database is used. Raises StackError if it has foreign tables and the user does not confirm."""
    parts = urlsplit(url)
    name = unquote(parts.path.lstrip("/"))
    where = f"the database {name!r} on {parts.hostname}:{parts.port or 5432}"
    print(f"using {where}, from DATABASE_URL", flush=True)
    if yes or not _holds_foreign_tables(url):
        return
    question = f"{where} is not empty and was not set up by this service. Use it and create the missing tables?"
    if sys.stdin.isatty() and input(f"{question} [y/N] ").strip().lower() in ("y", "yes"):
        return
    raise StackError(f"{question} If so, set YES=1. Nothing was changed")


def _holds_foreign_tables(url: str) -> bool:
    tables = _query(
        url,
        "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    )
    if tables == "0":
        return False
    if _query(url, "SELECT to_regclass('_prisma_migrations') IS NOT NULL") != "t":
        return True
    ours = ", ".join(f"'{folder.name}'" for folder in (ROOT / "migrations").iterdir() if folder.is_dir())
    return _query(url, f"SELECT count(*) FROM _prisma_migrations WHERE migration_name IN ({ours})") == "0"


def _query(url: str, sql: str) -> str:
    # Passed in libpq's variables: every user of the machine can see a password on a command line.
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    connection = {
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": unquote(parts.path.lstrip("/")),
        "PGSSLMODE": query.get("sslmode", ""),
        "PGCONNECT_TIMEOUT": "10",
        "PGOPTIONS": f"-c search_path={query['schema']}" if "schema" in query else "",
    }
    env = {**os.environ, **{name: value for name, value in connection.items() if value}}
    done = subprocess.run(
        [program("psql"), "-X", "-q", "-A", "-t", "-c", sql], env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StackError(f"the database in DATABASE_URL does not answer: {done.stderr.strip()}")
    return done.stdout.strip()
