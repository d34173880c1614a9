"""The whole stack: commands, signals, ports, and the processing of a real recording over real sockets."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from app.settings import Settings
from local.audio import OPUS_RATE, as_webm, decode, human_voice
from local.environment import read_environment
from local.migrate import ROOT
from local.ports import LOOPBACK, free_port
from local.stack import Stack
from local.token import session_cookie
from tests.integration.test_engine_process import until


def client(stack: Stack, user: str) -> httpx.Client:
    """An HTTP client with the session cookie of ``user``."""
    cookie = session_cookie(stack.environment["AUTH_SECRET"], stack.url, user)
    return httpx.Client(base_url=stack.url, headers={"cookie": cookie}, timeout=30, trust_env=False, verify=False)


def test_a_human_voice_becomes_insights(stack: Stack) -> None:
    """From an upload as Chrome sends it to DONE: statuses in order, the spoken words, and the audio deleted."""
    samples = decode(human_voice(), OPUS_RATE)
    seen: list[str] = []
    with client(stack, "voice") as browser:
        files = {"audio": ("blob", as_webm(samples), "audio/webm;codecs=opus")}
        data = {"duration": str(len(samples) / OPUS_RATE)}
        session_id = browser.post("/api/sessions", files=files, data=data).json()["id"]

        def finished() -> bool:
            status: str = browser.get(f"/api/sessions/{session_id}").json()["status"]
            if status not in seen:
                seen.append(status)
            return status in ("DONE", "FAILED")

        until(finished, "not finished", 60)
        session = browser.get(f"/api/sessions/{session_id}").json()
        total = browser.get("/api/sessions").json()["total"]

    assert seen[-1] == "DONE" and seen == [s for s in ("UPLOADED", "TRANSCRIBING", "ANALYZING", "DONE") if s in seen]
    text = session["transcript"]["text"].lower()
    assert all(words in text for words in ("best of times", "worst of times", "age of wisdom", "winter of despair"))
    assert 100 <= session["transcript"]["wordCount"] <= 130
    assert 3 <= len(session["insights"]) <= 5 and session["focusNext"] and session["audioDeletedAt"]
    assert total == 1


def test_the_environment_file_is_complete(stack: Stack) -> None:
    """It contains every setting that an application needs, and only its owner can read it."""
    directory = stack.directory
    environment = read_environment(directory)

    assert environment is not None
    assert (directory / "env").stat().st_mode & 0o077 == 0
    required = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}
    assert required <= environment.keys()
    assert {"QSTASH_CURRENT_SIGNING_KEY", "QSTASH_NEXT_SIGNING_KEY", "R2_ENDPOINT_URL"} <= environment.keys()


@contextmanager
def command(*words: str, directory: Path) -> Generator[subprocess.Popen[str], None, None]:
    """Run ``python -m local …`` in its own directory, started like a background job of a script."""
    process = subprocess.Popen(
        [sys.executable, "-m", "local", "--directory", str(directory), *words],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def descendants(pid: int) -> set[int]:
    """All descendants of ``pid``."""
    return {child.pid for child in psutil.Process(pid).children(recursive=True)}


def ready_line(process: subprocess.Popen[str]) -> str:
    """Wait for the address that ``run`` prints once everything answers."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if match := re.match(r"ready (\S+)", line):
            return match[1]
    raise AssertionError("".join(lines))


@pytest.mark.thorough
def test_run_leaves_no_process_behind(tmp_path: Path) -> None:
    """Whether it is stopped or killed. Three stacks run concurrently, so they share nothing either."""
    with ExitStack() as running:
        processes = {
            number: running.enter_context(command("run", "--port", str(free_port()), directory=tmp_path / number.name))
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
        }
        for process in processes.values():
            assert ready_line(process).startswith(f"http://{LOOPBACK}:")
        below = set[int]().union(*(descendants(process.pid) for process in processes.values()))
        assert len(below) >= 18
        for number, process in processes.items():
            process.send_signal(number)
        codes = {number.name: process.wait(60) for number, process in processes.items()}
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below), "something is left behind", 15)

    assert codes == {"SIGINT": 0, "SIGTERM": 0, "SIGKILL": -9}
    assert not (tmp_path / "SIGINT" / "env").exists() and not (tmp_path / "SIGTERM" / "env").exists()


def test_a_taken_port_is_a_clear_error(tmp_path: Path) -> None:
    """The message says what to do; nothing is started."""
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with command("run", "--port", str(port), directory=tmp_path) as process:
            printed, _ = process.communicate(timeout=90)

    assert process.returncode == 1
    assert f"port {port} is taken" in printed and "PORT=" in printed


@pytest.mark.thorough
def test_a_second_concurrent_demo_is_a_clear_error(tmp_path: Path) -> None:
    """Of two in one folder, one reaches DONE, and the other says what to do without printing PostgreSQL's log."""
    with command("demo", directory=tmp_path) as first, command("demo", directory=tmp_path) as second:
        printed = {process.communicate(timeout=100)[0]: process.returncode for process in (first, second)}

    assert sorted(printed.values()) == [0, 1], printed
    refused = next(text for text, code in printed.items() if code == 1)
    assert refused == "error: another demo is running in this folder: wait for it to finish\n"


@pytest.mark.thorough
def test_an_exported_database_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be the production database: the demo says that it is not used, and uses its own."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:canary@127.0.0.1:9/production")
    with command("demo", directory=tmp_path) as process:
        printed, _ = process.communicate(timeout=100)

    assert process.returncode == 0, printed
    assert (
        printed.startswith("ignoring DATABASE_URL from the environment; set WITH_ENV=1 to use it")
        and "canary" not in printed
    )


@pytest.mark.parametrize("port", ["80000", "0", "x"])
def test_an_invalid_port_is_a_clear_error(tmp_path: Path, port: str) -> None:
    """It is not a traceback from the socket."""
    with command("run", "--port", port, directory=tmp_path) as process:
        printed, _ = process.communicate(timeout=90)

    assert process.returncode == 2 and "PORT is a number from 1 to 65535" in printed


def test_a_cookie_for_a_stack_that_was_killed_is_refused(tmp_path: Path) -> None:
    """Even though its settings file still exists."""
    (tmp_path / "env").write_text(f"STACK_URL=http://{LOOPBACK}:{free_port()}\nAUTH_SECRET=a\nAPP_URL=http://a\n")
    with command("token", directory=tmp_path) as process:
        printed, _ = process.communicate(timeout=90)

    assert process.returncode == 1 and "no stack is running" in printed
