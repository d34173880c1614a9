"""An incident drill: breaks a running stack in several ways, and finds and fixes each with docs/operations.md.

Every command of the page is run here as written; a new one fails ``test_every_command_was_run`` until it is added. The
tests go through one incident after the other on the same stack, in the order of this file.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from local.audio import OPUS_RATE, as_webm, decode, human_voice
from local.migrate import ROOT
from local.process import Child
from local.stack import Stack
from local.supervision import answers
from tests.e2e.test_stack import client
from tests.integration.test_engine_process import until

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(300)]
RUNBOOK = (ROOT / "docs" / "operations.md").read_text()
OLD_REGION = "QSTASH_REGION= "
COMMANDS = {"".join(found) for found in re.findall(rf"({OLD_REGION})?python -m app ([^`\n]+)", RUNBOOK)} - {"COMMAND"}
# Only eight seconds of a human voice, because transcription takes the most time here.
VOICE = as_webm(decode(human_voice(), OPUS_RATE)[: 8 * OPUS_RATE])
WAIT_S = 60


@dataclass
class Drill:
    """A stack, the changed settings, and the commands of the page that were run."""

    stack: Stack
    changed: dict[str, str] = field(default_factory=dict[str, str])
    ran: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        self.original = dict(self.stack.environment)

    def run(self, command: str, code: int = 0, **words: str) -> str:
        """Run a command of the page, and return its output. ``words`` replace the page's SESSION and LEARNER."""
        assert command in COMMANDS, f"not in docs/operations.md: python -m app {command}"
        self.ran.add(command)
        region = {"QSTASH_REGION": ""} if command.startswith(OLD_REGION) else {}
        given = [words.get(word, word) for word in shlex.split(command.removeprefix(OLD_REGION))]
        done = subprocess.run(
            [sys.executable, "-m", "app", *given],
            cwd=ROOT, env={**os.environ, **self.original, **self.changed, **region},
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def set(self, **changes: str) -> None:
        """Restart the service with changed settings, or with the original ones if none are given."""
        self.changed = changes
        self.program("app").start_again({**os.environ, **self.original, **changes})
        until(lambda: answers(f"{self.stack.url}/api/health/ready"), "not ready again", WAIT_S)

    def program(self, name: str) -> Child:
        """One of the stack's programs."""
        return next(child for child in self.stack.children if child.name == name)

    def restart_speech(self, **trouble: str) -> None:
        """Restart the stand-in for OpenAI."""
        self.program("local.speech").start_again({**os.environ, **trouble})
        health = self.original["OPENAI_BASE_URL"].removesuffix("/v1") + "/healthz"
        until(lambda: answers(health), "speech does not answer", WAIT_S)

    def upload(self, content: bytes = VOICE, code: int = 201) -> str:
        """Upload as a learner, and return the session's id."""
        with client(self.stack, "drill") as browser:
            files = {"audio": ("recording.webm", content, "audio/webm;codecs=opus")}
            answer = browser.post("/api/sessions", files=files, data={"duration": "8"})
        assert answer.status_code == code, answer.text
        return str(answer.json().get("id", ""))

    def reaches(self, session_id: str, status: str) -> dict[str, Any]:
        """Wait until the learner sees the status, and return the session."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            with client(self.stack, "drill") as browser:
                found[:] = [browser.get(f"/api/sessions/{session_id}").json()]
            return found[0]["status"] == status

        until(there, f"not {status}", WAIT_S)
        return found[0]

    def doctor(self, code: int = 1, command: str = "doctor") -> dict[str, str]:
        """The points that the doctor calls wrong, with its advice."""
        lines = self.run(command, code).splitlines()[1:]
        rows = [re.split(r" {2,}", line, maxsplit=2) for line in lines]
        return {row[0]: row[2] for row in rows if row[1] == "wrong"}

    def pass_time(self, duration: str) -> None:
        """Advance QStash's clock."""
        headers = {"authorization": f"Bearer {self.original['QSTASH_TOKEN']}"}
        url = f"{self.original['QSTASH_URL']}/__clock"
        httpx.post(url, json={"advance": duration}, headers=headers, timeout=120, trust_env=False).raise_for_status()

    def age(self, session_id: str) -> None:
        """Make a session 50 minutes older."""
        assert self.stack.postgres is not None
        moved = ", ".join(f'"{name}" = "{name}" - interval \'50 minutes\'' for name in ("createdAt", "updatedAt"))
        self.stack.postgres.psql(f"UPDATE speaking_sessions SET {moved} WHERE id = '{session_id}'", "speaking")


@pytest.fixture(scope="module")
def drill(stack: Stack) -> Generator[Drill, None, None]:
    """A healthy stack."""
    yield Drill(stack)


def test_the_bucket_has_no_rule(drill: Drill) -> None:
    """This is the only problem of a new stack; with the rule installed, there is none."""
    drill.reaches(drill.upload(), "DONE")
    drill.run("bucket check", 1)
    assert drill.doctor().keys() == {"storage lifecycle"}

    drill.run("bucket install")
    assert drill.doctor(0) == {}
    assert "DONE" in drill.run("sessions --totals")


def test_the_queue_refuses_our_token(drill: Drill) -> None:
    """Uploads stay UPLOADED; with the right token the sweep publishes them."""
    drill.set(QSTASH_TOKEN="revoked")
    session_id = drill.upload()
    drill.age(session_id)

    assert session_id in drill.run('sessions --status uploaded --reason "processed yet"')
    assert session_id in drill.run("sessions --status uploaded --older-than 15m")
    assert "QSTASH_TOKEN is refused" in drill.doctor()["qstash"]
    drill.set()
    drill.run("sweep")
    drill.reaches(session_id, "DONE")


def test_storage_refuses_our_key(drill: Drill) -> None:
    """Uploads are answered 500 until the key is right."""
    drill.set(R2_SECRET_ACCESS_KEY="revoked")
    drill.upload(code=500)

    assert "check the R2_ settings" in drill.doctor()["storage"]
    drill.set()
    drill.reaches(drill.upload(), "DONE")


def test_speech_is_down(drill: Drill) -> None:
    """Sessions fail with the promise of a retry; after the outage, two commands recover all of them."""
    drill.program("local.speech").stop()
    given_up = drill.upload()
    drill.reaches(given_up, "FAILED")
    # QStash exhausts its attempts.
    for _ in range(3):
        drill.pass_time("1h")
    until(lambda: given_up in drill.run("dead-letters list"), "no dead letter", WAIT_S)
    recent = drill.upload()
    drill.reaches(recent, "FAILED")

    assert "does not answer" in drill.doctor()["model whisper-1"]
    listed = drill.run("sessions --status failed")
    assert given_up in listed and recent in listed and "tried again automatically" in listed
    drill.restart_speech()
    assert "done" in drill.run("dead-letters retry --all")
    drill.run("retry --failed-since 2h")
    for session_id in (given_up, recent):
        drill.reaches(session_id, "DONE")


def test_a_recording_is_poisoned(drill: Drill) -> None:
    """It fails permanently, a retry is refused, and its dead letter is deleted."""
    session_id = drill.upload(b"\x1aE\xdf\xa3 no recording" * 50)
    drill.reaches(session_id, "FAILED")
    until(lambda: session_id in drill.run("dead-letters list"), "no dead letter", WAIT_S)

    assert "not be tried again" in drill.run("show SESSION", SESSION=session_id)
    until(lambda: "audio_deleted_at  2" in drill.run("show SESSION", SESSION=session_id), "recording left", WAIT_S)
    assert "only a FAILED session with its recording" in drill.run("retry SESSION", 1, SESSION=session_id)
    drill.run("dead-letters delete --all")
    for command in ("dead-letters list", "QSTASH_REGION= dead-letters list"):
        assert session_id not in drill.run(command)


def test_one_old_session_is_retried(drill: Drill) -> None:
    """A session that failed long ago, so that QStash no longer has its message, is shown and retried."""
    session_id = drill.upload()
    drill.reaches(session_id, "DONE")
    assert drill.stack.postgres is not None
    failed = "status = 'FAILED', \"errorMessage\" = 'It will be tried again automatically.', \"focusNext\" = NULL"
    for statement in (
        f"DELETE FROM insights WHERE \"sessionId\" = '{session_id}'",
        f"UPDATE speaking_sessions SET {failed} WHERE id = '{session_id}'",
    ):
        drill.stack.postgres.psql(statement, "speaking")

    assert "FAILED" in drill.run("show SESSION", SESSION=session_id)
    assert "published" in drill.run("retry SESSION", SESSION=session_id)
    drill.reaches(session_id, "DONE")


def test_the_schedule_is_missing(drill: Drill) -> None:
    """The sweep does not run; the doctor reports it, and one command fixes it."""
    drill.run("QSTASH_REGION= schedule remove")
    assert json.loads(drill.run("schedule show")) is None
    assert "python -m app schedule install" in drill.doctor()["qstash schedule"]

    drill.run("schedule install")
    assert json.loads(drill.run("schedule show"))["destination"].endswith("/api/internal/sweep")
    assert "qstash schedule" not in drill.doctor(0)


def test_every_model_is_retired(drill: Drill) -> None:
    """Learners see a configuration error, doctor names the models, and a new model and one command recover them."""
    drill.restart_speech(RETIRED="whisper-1,gpt-transcribe")
    session_id = drill.upload()
    drill.reaches(session_id, "FAILED")
    log = drill.program("app").log_path
    assert log is not None and "model_gone" in log.read_text()

    assert session_id in drill.run('sessions --reason "configuration error"')
    assert {"model whisper-1", "model gpt-transcribe"} <= drill.doctor().keys()
    drill.set(TRANSCRIPTION_MODELS="gpt-4o-transcribe")
    drill.run("retry --misconfigured")
    drill.reaches(session_id, "DONE")
    assert not [point for point in drill.doctor(0) if point.startswith("model ")]
    drill.restart_speech()
    drill.set()


def test_every_command_was_run(drill: Drill) -> None:
    """The remaining commands find no problem, a learner is exported and forgotten, and no command was left out."""
    assert not any(json.loads(drill.run("sweep --dry-run")).values())
    assert json.loads(drill.run("sweep --delete-orphans"))["orphans_deleted"] == 0
    for command in ("sessions --status analyzing --older-than 15m", "sessions --broken done_with_audio"):
        assert len(drill.run(command).splitlines()) == 1
    assert drill.doctor(0, "doctor --since 2026-11-24") == {}
    assert json.loads(drill.run("export LEARNER", LEARNER="local-drill"))["sessions"]
    # Without a terminal it cannot ask for confirmation, and deletes nothing.
    drill.run("forget LEARNER", 1, LEARNER="local-drill")

    assert COMMANDS - drill.ran == set()
