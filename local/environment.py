"""Reads and writes ``.local/env``, the settings of the running stack in dotenv format."""

import fcntl
import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

DIRECTORY = Path(__file__).parent.parent / ".local"
STAND_INS = "# stand-ins: "


class StackError(Exception):
    """The stack cannot run; the message says what to do."""


@contextmanager
def exclusive_lock(file: Path, message: str) -> Generator[None]:
    """Hold an exclusive lock on ``file``. The kernel releases it when the process ends, even if it is killed.

    Raises StackError with ``message`` if another process holds the lock.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(message) from None
        yield


def write_environment(directory: Path, values: Mapping[str, str], stand_ins: Sequence[str]) -> None:
    """Write the file. Only its owner may read it, because it contains keys."""
    lines = [STAND_INS + ", ".join(stand_ins), *(f"{name}={value}" for name, value in values.items())]
    file = directory / "env"
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as out:
        out.write("\n".join(lines) + "\n")


def read_environment(directory: Path) -> dict[str, str] | None:
    """Return the settings, or None if there is no file."""
    try:
        lines = (directory / "env").read_text().splitlines()
    except FileNotFoundError:
        return None
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def read_stand_ins(directory: Path) -> list[str]:
    """Return the services for which the running stack has a stand-in."""
    try:
        first = (directory / "env").read_text().splitlines()[0]
    except (FileNotFoundError, IndexError):
        return []
    return [name for name in first.removeprefix(STAND_INS).split(", ") if name]
