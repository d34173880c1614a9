"""Resolves the lock files anew from pyproject.toml: ``python -m local.setup.lock``."""

import subprocess
import sys

from local.setup import pip_settings
from local.setup.packages import LOCKS, VENV, environment
from local.setup.progress import ROOT

# Each lock, and what of pyproject.toml goes into it. The largest is resolved first and holds for all others.
CONTENTS = {
    "tools": ["--extra", "server", "--group", "local", "--group", "tests", "--group", "tools"],
    "tests": ["--extra", "server", "--group", "local", "--group", "tests"],
    "demo": ["--group", "local"],
    "app": ["--extra", "server"],
    "node": ["--group", "node"],
    "installer": ["--group", "installer"],
}
OLDEST_PYTHON = "3.11"
ALONE = ("node", "installer")
PARTIAL = ("extra-index-url", "find-links")


def main() -> int:
    """Write every lock file; the exit code."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    env = environment()
    # An additional index may hold a few files of a release only, and a lock must name them all.
    whole = {name: value for name, value in pip_settings.parse(listing).items() if name not in PARTIAL}
    env |= pip_settings.for_uv(whole, env)
    options = ["--quiet", "--universal", "--generate-hashes", "--no-header", "--no-annotate"]
    options += ["--python-version", OLDEST_PYTHON]
    for name, contents in CONTENTS.items():
        same = [] if name == "tools" else ["--constraints", str(LOCKS / "tools.lock")]
        # Without the project itself only what a group names.
        source = [] if name in ALONE else ["pyproject.toml"]
        command = [VENV / "bin" / "uv", "pip", "compile", *options, *contents, *same, *source]
        done = subprocess.run([*command, "-o", LOCKS / f"{name}.lock"], cwd=ROOT, env=env, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
