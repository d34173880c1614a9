"""Resolves the dependencies in pyproject.toml again and writes the lock files: ``python -m local.setup.lock``."""

import subprocess
import sys

from local.setup import pip_settings
from local.setup.packages import LOCKS, VENV, environment
from local.setup.progress import ROOT

# The parts of pyproject.toml in each lock. The largest lock is resolved first and constrains the others.
CONTENTS = {
    "tools": ["--extra", "server", "--group", "local", "--group", "tests", "--group", "tools"],
    "tests": ["--extra", "server", "--group", "local", "--group", "tests"],
    "demo": ["--group", "local"],
    "app": ["--extra", "server"],
    "node": ["--group", "node"],
    "installer": ["--group", "installer"],
}
OLDEST_PYTHON = "3.11"
WITHOUT_PROJECT = ("node", "installer")
EXTRA_INDEXES = ("extra-index-url", "find-links")


def main() -> int:
    """Write every lock file and return the exit code."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    env = environment()
    # An extra index may have only some files of a release, but a lock must list them all.
    settings = {name: value for name, value in pip_settings.parse(listing).items() if name not in EXTRA_INDEXES}
    env |= pip_settings.for_uv(settings, env)
    options = ["--quiet", "--universal", "--generate-hashes", "--no-header", "--no-annotate"]
    options += ["--python-version", OLDEST_PYTHON]
    for name, contents in CONTENTS.items():
        constraints = [] if name == "tools" else ["--constraints", str(LOCKS / "tools.lock")]
        # Without the project as a source, only the packages of the group are resolved.
        source = [] if name in WITHOUT_PROJECT else ["pyproject.toml"]
        command = [VENV / "bin" / "uv", "pip", "compile", *options, *contents, *constraints, *source]
        done = subprocess.run([*command, "-o", LOCKS / f"{name}.lock"], cwd=ROOT, env=env, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
