"""A deployment for an operator's commands: the application, a QStash that delivers to it, and ``python -m app``."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from qstash_on_loopback.__main__ import environment as qstash_environment

from app.application import create_app
from app.services import Services
from app.settings import Settings
from local.migrate import ROOT
from local.ports import LOOPBACK, free_port
from local.process import Child
from tests.conftest import capture_services, make_settings
from tests.support.serving import served
from tests.support.world import World

TIME_LIMIT_S = 60
# Private text that no command except "export" may print.
CANARY = "the-canary-sings-privately"


@dataclass
class Deployment:
    """An application, and a QStash that delivers to it."""

    world: World
    settings: Settings

    @property
    def environment(self) -> dict[str, str]:
        """The deployment's settings as environment variables."""
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
        environment |= {name: os.environ[name] for name in os.environ if name.startswith(("PRISMA_", "PYTHON"))}
        for name, value in dict(self.settings).items():
            environment[name.upper()] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        return environment

    def run(self, *words: str, reader: str = "", closed: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m app`` with the deployment's settings.

        ``reader`` is a shell command that the output is piped into. ``closed`` closes streams, in shell notation.
        """
        command = [sys.executable, "-m", "app", *words]
        if reader or closed:
            command = ["bash", "-c", shlex.join(command) + (f" | ({reader})" if reader else f" {closed}")]
        return subprocess.run(
            command,
            env={**self.environment, **changes},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def ok(self, *words: str, **changes: str) -> str:
        """Run a command that must succeed, and return its output."""
        done = self.run(*words, **changes)
        assert done.returncode == 0, done.stdout + done.stderr
        assert CANARY not in done.stderr
        return done.stdout

    def until(self, session_id: str, status: str) -> dict[str, Any]:
        """Wait until a session has the given status, and return its row."""
        return wait_for(lambda: row if (row := self.world.database.session(session_id))["status"] == status else None)

    def dead_letters(self) -> int:
        """The number of dead letters. Asks QStash directly, because a command would take a second."""
        headers = {"authorization": f"Bearer {self.settings.qstash_token.get_secret_value()}"}
        listed = httpx.get(f"{self.settings.qstash_url}/v2/dlq", headers=headers, timeout=10, trust_env=False)
        return len(listed.json()["messages"])


def wait_for(find: Callable[[], Any]) -> Any:
    """Wait until ``find`` returns something, and return it."""
    deadline = time.monotonic() + TIME_LIMIT_S
    while not (found := find()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, str], None, None]:
    """A QStash whose clock runs five hundred times as fast, so that half an hour takes seconds."""
    port, log = free_port(), tmp_path_factory.mktemp("queue") / "log"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "qstash_on_loopback",
        "--port",
        str(port),
        "--time-scale",
        "0.002",
    ]
    child = Child("qstash", command, log, dict(os.environ))
    environment = qstash_environment(port)
    headers = {"authorization": f"Bearer {environment['QSTASH_TOKEN']}"}

    def answers() -> bool:
        try:
            return httpx.get(f"{environment['QSTASH_URL']}/v2/keys", headers=headers, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    child.wait_until(answers, TIME_LIMIT_S)
    yield environment
    child.stop()


@pytest.fixture(scope="module")
def deployed(shared_world: World, queue: dict[str, str]) -> Generator[World, None, None]:
    """An application that uses this QStash."""
    port, opened = free_port(), list[Services]()
    url = f"http://{LOOPBACK}:{port}"
    there, providers_url = shared_world, shared_world.settings.anthropic_base_url
    settings = make_settings(there.database, there.storage, providers_url, url, **queue)
    with served(create_app(settings, capture_services(opened)), port):
        yield World(url, settings, there.database, there.storage, there.providers, there.keys, opened)


@pytest.fixture
def deployment(world: World, deployed: World, queue: dict[str, str]) -> Generator[Deployment, None, None]:
    """The deployment, with empty database, storage and QStash."""
    assert world.database is deployed.database
    deployed.forget_models()
    yield Deployment(deployed, deployed.settings)
    headers = {"authorization": f"Bearer {queue['QSTASH_TOKEN']}"}
    for path in ("messages", "dlq", "schedules/speaking-session-sweep"):
        httpx.delete(f"{queue['QSTASH_URL']}/v2/{path}", headers=headers, trust_env=False)
