"""The stack used by a frontend: its settings, stable ports, and restarts of its programs."""

import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from app.settings import Settings
from local.environment import read_environment
from local.migrate import ROOT
from local.page.proxy import ANSWER_TIMEOUT_S
from local.ports import LOOPBACK, free_port
from local.process import Child
from local.stack import Stack
from local.supervision import MAX_RESTARTS
from local.token import session_cookie
from tests.integration.test_engine_process import until

pytestmark = pytest.mark.thorough

SECRET = "the frontend's own secret, given to both sides"
PUBLIC = "https://coach.example.com"


@contextmanager
def running(directory: Path, **environment: str) -> Generator[tuple[subprocess.Popen[str], list[str]], None, None]:
    """Run ``python -m local run`` until it is ready. Yields the process and its output lines so far."""
    process = subprocess.Popen(
        [sys.executable, "-m", "local", "--directory", str(directory), "--with-env", "run"],
        cwd=ROOT,
        env={**os.environ, **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    printed: list[str] = []
    reader = threading.Thread(target=printed.extend, args=(process.stdout,))
    reader.start()
    try:
        until(lambda: any(line.startswith("ready ") for line in printed), "not ready", 90)
        yield process, printed
    finally:
        process.terminate()
        process.wait(60)
        reader.join()
        process.stdout.close()


def program(process: subprocess.Popen[str], module: str) -> psutil.Process | None:
    """The stack's child process that runs ``module``."""
    for each in psutil.Process(process.pid).children():
        try:
            if module in each.cmdline():
                return each
        except psutil.NoSuchProcess:
            continue
    return None


def test_settings_from_the_environment_are_used(tmp_path: Path) -> None:
    """PORT, AUTH_SECRET and APP_URL: a recording reaches DONE with this secret and this address."""
    port = free_port()
    with running(tmp_path, PORT=str(port), NEXTAUTH_SECRET=SECRET, APP_URL=PUBLIC) as (_, printed):
        environment = read_environment(tmp_path)
        cookie = session_cookie(SECRET, PUBLIC, "ada")
        url = f"http://{LOOPBACK}:{port}"
        answer = httpx.get(f"{url}/api/sessions", headers={"cookie": cookie}, trust_env=False)
        # The public name reaches only the application, not the page, whose sign-in needs no password.
        page = httpx.get(url, headers={"host": "coach.example.com"}, trust_env=False)
        demo = subprocess.run(
            [sys.executable, "-m", "local", "--directory", str(tmp_path), "demo"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert environment is not None and environment["APP_URL"] == PUBLIC and environment["STACK_URL"] == url
    assert cookie.startswith("__Secure-authjs.session-token=") and answer.status_code == 200
    assert page.status_code == 400
    assert demo.returncode == 0 and demo.stdout.splitlines()[-1].startswith("DONE "), demo.stdout + demo.stderr
    lines = "".join(printed)
    assert f"PYTHON_API_URL={url}\n" in lines and "DATABASE_URL=postgresql://" in lines
    # The given secret is not shown.
    assert SECRET not in lines and "NEXTAUTH_SECRET=(" in lines


def test_the_ports_are_the_same_in_the_next_run(tmp_path: Path) -> None:
    """The settings of a frontend stay valid: database, storage and secret."""
    seen: list[list[str]] = []
    for _ in range(2):
        with Stack(tmp_path, port=free_port(), quiet=True) as stack:
            seen.append([stack.environment[name] for name in ("DATABASE_URL", "R2_ENDPOINT_URL", "AUTH_SECRET")])

    assert seen[0] == seen[1]


def test_a_stand_in_is_restarted_three_times_then_reported(tmp_path: Path) -> None:
    """The stack, its database and its address stay. The fourth time, the stack exits and names the program."""
    with running(tmp_path, PORT=str(free_port())) as (process, printed):
        environment = read_environment(tmp_path)
        assert environment is not None
        health = f"{environment['ANTHROPIC_BASE_URL']}/healthz"
        for _ in range(MAX_RESTARTS):
            until(lambda: answers(health), "not started again", 60)
            found = program(process, "local.analysis")
            assert found is not None
            found.kill()
            until(lambda gone=found: not gone.is_running(), "not killed", 20)
        until(lambda: answers(health), "not started again", 60)
        found = program(process, "local.analysis")
        assert found is not None and process.poll() is None
        found.kill()
        code = process.wait(60)

    lines = "".join(printed)
    assert code == 1
    assert re.findall(r"local\.analysis exited: restarting it \((\d) of 3\)", lines) == ["1", "2", "3"]
    assert "error: local.analysis was restarted 3 times" in lines


def test_database_storage_and_queue_are_started_again_as_they_were(tmp_path: Path) -> None:
    """On their ports and with their data. The queue loses its data, so the sweep is scheduled again."""
    with running(tmp_path, PORT=str(free_port())) as (process, printed):
        given = read_environment(tmp_path) or {}
        scheduled = sweeps(given)
        for name in ("postgres", "weed"):
            [found] = [each for each in psutil.Process(process.pid).children() if each.name() == name]
            found.kill()
        queue = program(process, "qstash_on_loopback")
        assert queue is not None
        queue.kill()
        until(lambda: sum("restarting it" in line for line in printed) == 3, "not started again", 60)
        until(lambda: answers(f"{given['STACK_URL']}/api/health/ready"), "not ready again", 60)
        until(lambda: sweeps(given) == scheduled, "not scheduled again", 60)
        again = {each.name() for each in psutil.Process(process.pid).children()}

    assert {"postgres", "weed"} <= again
    assert scheduled == [f"{given['APP_URL']}/api/internal/sweep"]


def sweeps(given: dict[str, str]) -> list[str]:
    """The destinations of the queue's schedules."""
    headers = {"authorization": f"Bearer {given['QSTASH_TOKEN']}"}
    try:
        listed = httpx.get(f"{given['QSTASH_URL']}/v2/schedules", headers=headers, timeout=5, trust_env=False).json()
    except httpx.HTTPError:
        return []
    return [each["destination"] for each in listed]


def test_another_program_on_the_port_is_not_mistaken_for_ours() -> None:
    """If another program takes the chosen port first, it is an error; the stack does not use that program."""
    stranger = http.server.HTTPServer((LOOPBACK, 0), http.server.SimpleHTTPRequestHandler)
    taken, own = stranger.server_port, free_port()
    child = Child("ours", [sys.executable, "-m", "http.server", "--bind", LOOPBACK, str(own)], None)
    try:
        with pytest.raises(TimeoutError):
            child.wait_until(lambda: True, 1.0, port=taken)
        child.wait_until(lambda: True, 20.0, port=own)
    finally:
        child.stop()
        stranger.server_close()


def test_the_proxy_waits_as_long_as_a_delivery_may_take() -> None:
    """It does not cut off an attempt that QStash and the application are still working on."""
    fields = Settings.model_fields

    assert ANSWER_TIMEOUT_S >= fields["processing_lease_seconds"].default > fields["processing_timeout_seconds"].default


def answers(url: str) -> bool:
    """Whether ``url`` is answered with 200."""
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
