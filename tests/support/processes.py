"""Finds the query engines that run on this machine, by their command line."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

MAIN = "engine/src/main.js"


def engines(*, port: int | None = None, parent: int | None = None) -> list[int]:
    """The process ids of all engines, or of those with a port or a parent. Excludes zombies, which have no command line."""
    return [
        process.pid
        for process, words in _command_lines()
        if any(word.endswith(MAIN) for word in words)
        if (port is None or str(port) in words) and parent in (None, process.info["ppid"])
    ]


def is_starting(port: int) -> bool:
    """Whether the shell that starts the engine for ``port`` is still running."""
    return any(f"query-engine -p {port} " in " ".join([*words, ""]) for _, words in _command_lines())


def _command_lines() -> Iterator[tuple[psutil.Process, list[str]]]:
    for process in psutil.process_iter(["cmdline", "ppid"]):
        yield process, process.info["cmdline"] or []


def own_engines() -> list[int]:
    """The engines that are children of this process."""
    return engines(parent=os.getpid())


def port_of(engine: int) -> int:
    """The port that an engine listens on."""
    words = Path(f"/proc/{engine}/cmdline").read_text().split("\0")
    return int(words[words.index("-p") + 1])
