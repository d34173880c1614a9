"""Persists the server's state: not at all, or in a SQLite file.

Each change is one row in one table, written before the request that caused it is answered. With SQLite's write-ahead
log, changes survive if the process is killed at any time; a power failure may lose the most recent ones.
"""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# "qstl": identifies the file as a store, so that the server never writes to another program's database.
APPLICATION_ID = 0x7173746C
VERSION = 1


class StoreError(Exception):
    """The file cannot be used as a store; the message says why."""


class Persistence:
    """Stores nothing: the state is lost when the server stops."""

    def put(self, kind: str, name: str, value: dict[str, Any]) -> None:
        """Store ``value`` and replace any previous value of this kind and name."""

    def remove(self, kind: str, name: str) -> None:
        """Remove it."""

    def all(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """All stored values of a kind, oldest first."""
        yield from ()

    def close(self) -> None:
        """Close the store."""


class SqlitePersistence(Persistence):
    """Stores everything in one file, which only one server may use at a time. Raises StoreError."""

    def __init__(self, path: Path) -> None:
        try:
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1)
            try:
                self._prepare(path)
            except BaseException:
                self._database.close()
                raise
        except sqlite3.OperationalError as error:
            raise StoreError(f"{path} cannot be used: {error}. Is another server using it?") from error
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{path} is not a store of this server: {error}") from error

    def _prepare(self, path: Path) -> None:
        execute = self._database.execute
        execute("PRAGMA locking_mode = EXCLUSIVE")
        tables = execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        mark, version = execute("PRAGMA application_id").fetchone()[0], execute("PRAGMA user_version").fetchone()[0]
        if tables and (mark != APPLICATION_ID or version != VERSION):
            raise StoreError(f"{path} is a SQLite database, but not a store of this version of the server")
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = NORMAL")
        execute(f"PRAGMA application_id = {APPLICATION_ID}")
        execute(f"PRAGMA user_version = {VERSION}")
        execute(
            "CREATE TABLE IF NOT EXISTS records (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL,"
            " value TEXT NOT NULL, UNIQUE (kind, name))"
        )
        # In exclusive mode, the first write transaction takes the lock and keeps it.
        execute("BEGIN IMMEDIATE")
        execute("COMMIT")

    def put(self, kind: str, name: str, value: dict[str, Any]) -> None:
        self._database.execute(
            "INSERT INTO records (kind, name, value) VALUES (?, ?, ?)"
            " ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value",
            (kind, name, json.dumps(value)),
        )

    def remove(self, kind: str, name: str) -> None:
        self._database.execute("DELETE FROM records WHERE kind = ? AND name = ?", (kind, name))

    def all(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        rows = self._database.execute("SELECT name, value FROM records WHERE kind = ? ORDER BY number", (kind,))
        for name, value in rows:
            yield name, json.loads(value)

    def close(self) -> None:
        self._database.close()
