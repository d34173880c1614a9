"""Runs the commands of README.md, docs/quickstart.md and docs/deploy.md as written, against a running stack."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.migrate import ROOT
from local.ports import LOOPBACK, free_port
from local.stack import Stack
from local.supervision import answers
from tests.integration.test_engine_process import until
from tests.support.commands import run_blocks

pytestmark = pytest.mark.thorough

BLOCK = re.compile(r"<!-- run -->\n```bash\n(.*?)```\n```json\n(.*?)```", re.DOTALL)


def shape(value: Any) -> Any:
    """The keys of a JSON value at every depth; of a list, only the first element."""
    if isinstance(value, dict):
        return {str(name): shape(inner) for name, inner in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return [shape(value[0])] if isinstance(value, list) and value else None  # pyright: ignore[reportUnknownArgumentType]


def bash(script: str, directory: Path = ROOT, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a script as if it were copied into a shell, in this checkout's virtual environment."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    # Inside "make test", a nested make would print its directories.
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS")}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=directory, env={**inherited, "PATH": path, **environment},
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip


def test_the_quickstart_works(stack: Stack) -> None:
    """Every command works, and its answer has the keys shown in the documentation."""
    blocks = BLOCK.findall((ROOT / "docs" / "quickstart.md").read_text())
    script = "\necho; echo ====\n".join(commands for commands, _ in blocks)
    # Uses the stack of this test instead of the one started by "make run".
    token = f'"{sys.executable}" -m local --directory "{stack.directory}" token --user ada'
    done = bash(script.replace("make -s token USER=ada", token).replace("http://127.0.0.1:8000", stack.url))
    answers = [json.loads(text) for text in done.stdout.split("\n====\n")]

    assert len(blocks) == len(run_blocks("docs/quickstart.md"))
    assert done.returncode == 0, done.stderr
    assert [shape(answer) for answer in answers] == [shape(json.loads(documented)) for _, documented in blocks]


def test_the_readmes_commands_work(stack: Stack, tmp_path: Path) -> None:
    """The demo uses the running stack, and each target does what its comment says."""
    shutil.copy(ROOT / "local" / "page" / "static" / "sample.ogg", tmp_path / "my.ogg")
    local = shlex.join([sys.executable, "-m", "local", "--directory", str(stack.directory)])
    printed: list[str] = []
    for block in run_blocks("README.md"):
        for line in block.commands:
            # Use this test's stack and an existing recording.
            line = line.replace("make ", f"make LOCAL={shlex.quote(local)} ")
            done = bash(line.replace("my.m4a", str(tmp_path / "my.ogg")))
            assert done.returncode == 0, done.stdout + done.stderr
            printed.append(done.stdout)

    demo, own, token = printed
    assert "uploading sample.webm" in demo and "uploading my.ogg" in own
    assert all(text.splitlines()[-1].startswith("DONE session=") for text in (demo, own))
    assert token.startswith("authjs.session-token=")


@pytest.fixture
def deployed(stack: Stack, tmp_path: Path) -> Path:
    """A folder with only the application and a .env file, as on a server."""
    (tmp_path / "app").symlink_to(ROOT / "app")
    shutil.copy(ROOT / "schema.prisma", tmp_path)
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in stack.environment.items()))
    return tmp_path


def test_the_deployments_commands_work(deployed: Path) -> None:
    """check-settings, serve until SIGTERM, and schedule install."""
    port = free_port()
    said: dict[str, str] = {}
    for block in run_blocks("docs/deploy.md"):
        for line in block.commands:
            if line.startswith("python -m app serve"):
                serve_and_stop(line, deployed, port)
                continue
            done = bash(line, deployed)
            assert done.returncode == 0, done.stderr
            said[line] = done.stdout

    assert list(said) == ["python -m app check-settings", "python -m app schedule install"]


def serve_and_stop(line: str, directory: Path, port: int) -> None:
    """Run ``serve`` until it answers, then stop it with SIGTERM."""
    env = {**os.environ, "PORT": str(port)}
    process = subprocess.Popen([sys.executable, *line.split()[1:]], cwd=directory, env=env)
    try:
        until(lambda: answers(f"http://{LOOPBACK}:{port}/api/health/ready"), "does not answer", 60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()
