"""The file ``.local/env``: how the running stack's services are reached, in dotenv form."""

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
def only_one(file: Path, sentence: str) -> Generator[None]:
    """Hold ``file`` for this process alone; the kernel lets go of it, however we end. Raises StackError with ``sentence``."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(sentence) from None
        yield


def write_environment(directory: Path, values: Mapping[str, str], stand_ins: Sequence[str]) -> None:
    """Write the file for its owner alone: it holds keys."""
    lines = [STAND_INS + ", ".join(stand_ins), *(f"{name}={value}" for name, value in values.items())]
    file = directory / "env"
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as out:
        out.write("\n".join(lines) + "\n")


def read_environment(directory: Path) -> dict[str, str] | None:
    """The values, or None if no stack wrote any."""
    try:
        lines = (directory / "env").read_text().splitlines()
    except FileNotFoundError:
        return None
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def read_stand_ins(directory: Path) -> list[str]:
    """Which services the running stack replaces with something smaller."""
    try:
        first = (directory / "env").read_text().splitlines()[0]
    except (FileNotFoundError, IndexError):
        return []
    return [name for name in first.removeprefix(STAND_INS).split(", ") if name]
