"""Installs what a command needs: ``python3 -m local.setup LEVEL``. It skips what is up to date."""

import argparse
import fcntl
import hashlib
import shutil
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from local.setup import node, packages
from local.setup.packages import TMP, VENV
from local.setup.progress import ROOT, SetupError, run

# Each level includes the ones before it.
LEVELS = ("demo", "tests", "tools")
# Disk space of a first set-up, measured by "make newcomer". Node is extra, on machines without it.
DISK_MB = {"demo": 700, "tests": 920, "tools": 1270}
NODE_MB = 145
# The frontend tests build a site with each of these versions of Next.js.
NEXT_VERSIONS = ("next15", "next16")
# The tests of the local QStash use QStash's JavaScript SDK.
SDK = "packages/qstash-on-loopback/tests/javascript"


def main() -> int:
    """Set up and return the exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m local.setup", description=__doc__)
    parser.add_argument("level", choices=[*LEVELS, "vercel", "frontend"])
    level: str = parser.parse_args().level
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _exclusive_lock():
            _set_up(level)
    except KeyboardInterrupt:
        print("\nset-up stopped: run the same command again to continue", flush=True)
        return 130
    except SetupError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    return 0


def _set_up(level: str) -> None:
    started = time.monotonic()
    wanted = level if level in LEVELS else "demo"
    locks = [wanted] if node.machine_node() else [wanted, "node"]
    fresh = not _packages_are_current(locks)
    if fresh:
        if not (VENV / "bin" / "python").exists():
            disk = DISK_MB[wanted] + (NODE_MB if "node" in locks else 0)
            print(f"first set-up: about {disk} MB, all in {ROOT}", flush=True)
        for stamp in VENV.glob(".installed-*"):
            stamp.unlink()
        packages.install(*locks)
        for name in locks:
            _stamp(name).write_text(_digest(_inputs(name)))
    node.link()
    _step("engine/node_modules/.installed", ["engine/package-lock.json", "engine/.npmrc"],
          lambda: node.install("engine", "installing the query engine"))  # fmt: skip
    _step(".venv/.client-generated", ["schema.prisma", "engine/generate", "locks/app.lock"], _generate)
    if level != "demo":
        _step(f"{SDK}/node_modules/.installed", [f"{SDK}/package-lock.json"],
              lambda: node.install(SDK, "installing QStash's JavaScript SDK"))  # fmt: skip
    if level == "vercel":
        # "npm ci" would require its binaries for all other platforms.
        _step("local/vercel/node_modules/.installed", ["local/vercel/package-lock.json"],
              lambda: node.install("local/vercel", "installing the Vercel command line", "install", "--no-save"))  # fmt: skip
    for version in NEXT_VERSIONS if level == "frontend" else ():
        folder, kept = f"tests/frontend/{version}", f".local/frontend/{version}"
        _step(
            f"{kept}/node_modules/.installed",
            [f"{folder}/package-lock.json"],
            lambda folder=folder, kept=kept: _next(folder, kept),
        )
    if fresh:
        print(f"set up in {time.monotonic() - started:.0f} s", flush=True)


def _next(folder: str, kept: str) -> None:
    (ROOT / kept).mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(ROOT / folder / name, ROOT / kept / name)
    node.install(kept, f"installing Next.js for {kept}")


def _packages_are_current(locks: list[str]) -> bool:
    levels = LEVELS[LEVELS.index(locks[0]) :]
    return (VENV / "bin" / "python").exists() and all(
        any(_is_current(_stamp(each), _inputs(each)) for each in choices)
        for choices in (levels, *([name] for name in locks[1:]))
    )


def _inputs(lock: str) -> list[Path]:
    return [packages.LOCKS / f"{lock}.lock", packages.OWN / "pyproject.toml"]


def _stamp(lock: str) -> Path:
    return VENV / f".installed-{lock}"


def _step(stamp: str, inputs: Iterable[str], do: Callable[[], None]) -> None:
    files = [ROOT / name for name in inputs]
    if not _is_current(ROOT / stamp, files):
        do()
        (ROOT / stamp).write_text(_digest(files))


def _is_current(stamp: Path, inputs: Iterable[Path]) -> bool:
    return stamp.exists() and stamp.read_text() == _digest(inputs)


def _digest(files: Iterable[Path]) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def _generate() -> None:
    env = packages.environment() | {"PRISMA_ENGINE_NODE": str(node.LINK)}
    run("generating the database client", [ROOT / "engine" / "generate"], env, ROOT, [])


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def _exclusive_lock() -> Generator[None]:
    TMP.mkdir(parents=True, exist_ok=True)
    with (ROOT / ".local" / "setup.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another command that is setting up this folder", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
