"""Runs a command and shows its progress: megabytes written to disk, and seconds."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
MB = 1024 * 1024
# A terminal's line is updated in place; a log gets a new line less often.
TERMINAL_EVERY_S, LOG_EVERY_S = 0.5, 10.0
STOP_TIMEOUT_S = 10.0
SHOWN_LINES = 12


class SetupError(Exception):
    """Set-up cannot continue; the message says what to do."""


def megabytes(folders: Iterable[Path]) -> int:
    """Return the folders' size on disk in megabytes. A file with several hard links counts once."""
    seen: dict[tuple[int, int], int] = {}
    for folder in folders:
        for directory, _, names in os.walk(folder):
            for name in names:
                try:
                    found = os.lstat(os.path.join(directory, name))  # noqa: PTH118  # called for ten thousand files
                except FileNotFoundError:
                    continue
                seen[found.st_dev, found.st_ino] = found.st_blocks * 512
    return round(sum(seen.values()) / MB)


def run(title: str, command: Sequence[str | Path], env: Mapping[str, str], cwd: Path, folders: Sequence[Path]) -> None:
    """Run ``command``, showing ``title`` and how much ``folders`` grow. Raises SetupError with the command's output."""
    started = time.monotonic()
    before = megabytes(folders)
    log = ROOT / ".local" / "setup.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            _watch(process, title, folders, before, started)
        except KeyboardInterrupt:
            _stop(process)
            raise
    if process.returncode:
        lines = log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
        raise SetupError("\n".join(lines))
    _show(title, megabytes(folders) - before, started, last=True)


def _watch(process: subprocess.Popen[bytes], title: str, folders: Sequence[Path], before: int, started: float) -> None:
    every_s = TERMINAL_EVERY_S if sys.stdout.isatty() else LOG_EVERY_S
    if sys.stdout.isatty():
        _show(title, 0, started)
    while True:
        try:
            process.wait(every_s)
        except subprocess.TimeoutExpired:
            _show(title, megabytes(folders) - before, started)
        else:
            return


def _stop(process: subprocess.Popen[bytes]) -> None:
    # Ctrl-C in a terminal has already reached the process, but a signal sent only to us has not.
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _show(title: str, grown: int, started: float, *, last: bool = False) -> None:
    text = f"{title}: {max(grown, 0)} MB, {time.monotonic() - started:.1f} s"
    if sys.stdout.isatty():
        print(f"\r\033[2K{text}", end="\n" if last else "", flush=True)
    else:
        print(text if last else f"{text} so far", flush=True)
