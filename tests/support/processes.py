"""The query engines that run on this machine, found by their command line."""

import os
from pathlib import Path

MAIN = b"engine/src/main.js"


def engines(*, port: int | None = None, parent: int | None = None) -> list[int]:
    """The process ids of engines, all or those of a port or a parent. A zombie is none: it has no command line."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if not any(word.endswith(MAIN) for word in command):
                continue
            of_parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # ended meanwhile
            continue
        if (port is None or str(port).encode() in command) and parent in (None, of_parent):
            found.append(int(entry.name))
    return found


def own_engines() -> list[int]:
    """The engines that are children of this process."""
    return engines(parent=os.getpid())


def port_of(engine: int) -> int:
    """The port that an engine was told to listen on."""
    words = Path(f"/proc/{engine}/cmdline").read_text().split("\0")
    return int(words[words.index("-p") + 1])
