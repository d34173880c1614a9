"""Which of the environment's settings reach the local stack: those that were asked for, and no others.

An exported DATABASE_URL may be production's. So a setting counts when it stands in ``.env.local``, when it is named on
make's command line (``make run APP_URL=…``), or when all of the environment's are asked for (``WITH_ENV=1``).
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
# Set by the Makefile: the settings named on its command line.
NAMED = "LOCAL_SETTINGS"


def admit(environment: MutableMapping[str, str], *, everything: bool, file: Path = FILE) -> list[str]:
    """Take the settings that were not asked for out of ``environment``, put those of ``file`` in; what was taken out."""
    asked = NAMES if everything else NAMES & set(environment.get(NAMED, "").split())
    ignored = sorted(name for name in NAMES - asked if environment.get(name))
    for name in ignored:
        del environment[name]
    given = dotenv_values(file) if file.is_file() else {}
    for name, value in given.items():
        if value and name not in environment:
            environment[name] = value
    return ignored


def confirm_database(url: str, *, yes: bool) -> None:
    """Print which database is to be used. Raises StackError if it holds something foreign and nobody says yes."""
    parts = urlsplit(url)
    name = unquote(parts.path.lstrip("/"))
    where = f"the database {name!r} on {parts.hostname}:{parts.port or 5432}"
    print(f"using {where}, which DATABASE_URL names", flush=True)
    if yes or not _holds_foreign_tables(url):
        return
    question = f"{where} is not empty, and was not set up from here. Use it, and make what tables it lacks?"
    if sys.stdin.isatty() and input(f"{question} [y/N] ").strip().lower() in ("y", "yes"):
        return
    raise StackError(f"{question} If so, say YES=1; nothing was changed")


def _holds_foreign_tables(url: str) -> bool:
    tables = _ask(
        url,
        "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    )
    if tables == "0":
        return False
    if _ask(url, "SELECT to_regclass('_prisma_migrations') IS NOT NULL") != "t":
        return True
    ours = ", ".join(f"'{folder.name}'" for folder in (ROOT / "migrations").iterdir() if folder.is_dir())
    return _ask(url, f"SELECT count(*) FROM _prisma_migrations WHERE migration_name IN ({ours})") == "0"


def _ask(url: str, sql: str) -> str:
    # By libpq's variables: a password on the command line is seen by everyone on the machine.
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
        raise StackError(f"the database that DATABASE_URL names does not answer: {done.stderr.strip()}")
    return done.stdout.strip()
