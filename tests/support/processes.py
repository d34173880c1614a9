"""Finds the query engines that run on this machine, by their command line."""

import os
from contextlib import suppress
from pathlib import Path

MAIN = b"engine/src/main.js"


def engines(*, port: int | None = None, parent: int | None = None) -> list[int]:
    """The process ids of all engines, or of those with a port or a parent. Excludes zombies."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if not any(word.endswith(MAIN) for word in command):
                continue
            of_parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # the process has exited in the meantime
            continue
        if (port is None or str(port).encode() in command) and parent in (None, of_parent):
            found.append(int(entry.name))
    return found


def is_starting(port: int) -> bool:
    """Whether the shell that starts the engine for ``port`` is still running."""
    words = f"query-engine\0-p\0{port}\0".encode()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):  # the process has exited in the meantime
            if entry.name.isdigit() and words in (entry / "cmdline").read_bytes():
                return True
    return False


def own_engines() -> list[int]:
    """The engines that are children of this process."""
    return engines(parent=os.getpid())


def port_of(engine: int) -> int:
    """The port that an engine listens on."""
    words = Path(f"/proc/{engine}/cmdline").read_text().split("\0")
    return int(words[words.index("-p") + 1])
