"""The operator's commands, run as an operator runs them, on an application with a QStash of its own."""

import json
import os
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
from app.errors import MISCONFIGURED
from app.settings import Settings
from local.migrate import ROOT
from local.ports import LOOPBACK, free_port
from local.process import Child
from tests.conftest import make_settings
from tests.integration.test_repair import age, set_status
from tests.support.providers import Reply
from tests.support.serving import served
from tests.support.world import AUDIO, World

PATIENCE_S = 60
# The private text that no command but "export" may print.
CANARY = "the-canary-sings-privately"


@dataclass
class Deployment:
    """An application behind a QStash that delivers to it."""

    world: World
    settings: Settings

    def run(self, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m app`` with the deployment's settings."""
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
        environment |= {name: os.environ[name] for name in os.environ if name.startswith(("PRISMA_", "PYTHON"))}
        for name, value in dict(self.settings).items():
            environment[name.upper()] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        command = [sys.executable, "-m", "app", *words]
        return subprocess.run(
            command, env={**environment, **changes}, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )

    def ok(self, *words: str, **changes: str) -> str:
        """Run a command that succeeds; what it prints."""
        done = self.run(*words, **changes)
        assert done.returncode == 0, done.stdout + done.stderr
        assert CANARY not in done.stderr
        return done.stdout

    def until(self, session_id: str, status: str) -> dict[str, Any]:
        """Wait until QStash and the application have brought a session there."""
        return wait_for(lambda: row if (row := self.world.database.session(session_id))["status"] == status else None)


def wait_for(find: Callable[[], Any]) -> Any:
    """Wait until something is found."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := find()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, str], None, None]:
    """A QStash whose time runs fifty times as fast, so that retries come within seconds."""
    port, log = free_port(), tmp_path_factory.mktemp("queue") / "log"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "qstash_on_loopback",
        "--port",
        str(port),
        "--time-scale",
        "0.02",
    ]
    child = Child("qstash", command, log, dict(os.environ))
    environment = qstash_environment(port)
    headers = {"authorization": f"Bearer {environment['QSTASH_TOKEN']}"}

    def answers() -> bool:
        try:
            return httpx.get(f"{environment['QSTASH_URL']}/v2/keys", headers=headers, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    child.wait_until(answers, PATIENCE_S)
    yield environment
    child.stop()


@pytest.fixture
def deployment(world: World, queue: dict[str, str]) -> Generator[Deployment, None, None]:
    """The application, its surroundings empty."""
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    settings = make_settings(world.database, world.storage, world.settings.anthropic_base_url, url, **queue)
    world.forget_models()
    headers = {"authorization": f"Bearer {queue['QSTASH_TOKEN']}"}
    with served(create_app(settings), port):
        there = World(url, settings, world.database, world.storage, world.providers, world.keys)
        yield Deployment(there, settings)
        for path in ("messages", "schedules/speaking-session-sweep"):
            httpx.delete(f"{queue['QSTASH_URL']}/v2/{path}", headers=headers, trust_env=False)


def test_poisoned_recording_and_dead_letter(deployment: Deployment) -> None:
    """A recording refused for good: listed with its reason, its dead letter found, refused a retry, deleted."""
    deployment.world.providers.whisper.append(Reply(400, {"error": {"message": CANARY}}))
    session_id = deployment.world.upload(topic=CANARY)
    deployment.until(session_id, "FAILED")
    letters = wait_for(lambda: json.loads(deployment.ok("dead-letters", "list", "--json")))

    assert [(letter["session_id"], letter["status"]) for letter in letters] == [(session_id, 489)]
    listed = deployment.ok("sessions", "--status", "failed", "--reason", "read as audio")
    assert session_id in listed and "not be tried again" in listed and CANARY not in listed
    wait_for(lambda: deployment.world.database.session(session_id)["audioDeletedAt"])
    refused = deployment.run("dead-letters", "retry", letters[0]["id"])
    assert refused.returncode == 1 and "only a FAILED session with its recording" in refused.stdout
    assert "done" in deployment.ok("dead-letters", "delete", letters[0]["id"])
    assert json.loads(deployment.ok("dead-letters", "list", "--json")) == []


def test_speech_down_then_dead_letter_retried(deployment: Deployment) -> None:
    """Every attempt failed: the dead letter is retried through our own guard, and the session is DONE."""
    deployment.world.providers.whisper.append(Reply(503, {}, times=12))
    session_id = deployment.world.upload()
    [letter] = wait_for(lambda: json.loads(deployment.ok("dead-letters", "list", "--json")))
    assert deployment.world.database.session(session_id)["errorMessage"].endswith("tried again automatically.")

    deployment.ok("dead-letters", "retry", letter["id"])
    deployment.until(session_id, "DONE")
    assert json.loads(deployment.ok("dead-letters", "list", "--json")) == []


def test_show_tells_what_happened_without_a_word(deployment: Deployment) -> None:
    """Status, checkpoints, what is stored, QStash's events; never the transcript, the topic or the address."""
    deployment.world.providers.whisper.append(Reply(body={"text": f"{CANARY} said."}))
    session_id = deployment.world.upload(topic=CANARY)
    deployment.until(session_id, "DONE")
    shown = json.loads(
        wait_for(lambda: found if "DELIVERED" in (found := deployment.ok("show", session_id, "--json")) else None)
    )

    assert (shown["status"], shown["insights"], shown["audio_bytes"]) == ("DONE", 2, None)
    assert shown["words"] == 2 and shown["audio_deleted_at"]
    assert CANARY not in json.dumps(shown) and "@" not in json.dumps(shown)
    assert deployment.run("show", "nobody").returncode == 1


def test_wrong_key_then_one_command(deployment: Deployment) -> None:
    """Sessions fail by our mistake; the key is mended; one command brings all of them back, at a rate, after a dry run."""
    deployment.world.providers.whisper.append(Reply(401, {"error": {"message": "x"}}, times=1000))
    sessions = [deployment.world.upload() for _ in range(5)]
    for session_id in sessions:
        assert deployment.until(session_id, "FAILED")["errorMessage"] == MISCONFIGURED
    # QStash has used up its attempts.
    wait_for(lambda: len(json.loads(deployment.ok("dead-letters", "list", "--json"))) == len(sessions))
    assert set(deployment.ok("retry", "--misconfigured", "--dry-run").split()) == set(sessions)
    assert len(deployment.world.storage.stored_keys()) == len(sessions)
    deployment.world.providers.whisper.clear()

    assert "5 of 5" in deployment.ok("retry", "--misconfigured", "--rate", "50")
    for session_id in sessions:
        deployment.until(session_id, "DONE")
    assert "no session to retry" in deployment.ok("retry", "--failed-since", "1h")
    deployment.ok("dead-letters", "delete", "--all")


def test_stranded_sessions_are_swept(deployment: Deployment) -> None:
    """A revoked token strands uploads; they are seen by age, and the sweep publishes them once it is mended."""
    session_id = deployment.world.upload()
    deployment.until(session_id, "DONE")
    set_status(deployment.world, session_id, "UPLOADED")
    deployment.world.database.execute('UPDATE speaking_sessions SET "audioDeletedAt" = NULL, "focusNext" = NULL')
    deployment.world.database.execute("DELETE FROM insights")
    age(deployment.world, session_id, 3 * 3600)
    assert session_id in deployment.ok("sessions", "--older-than", "2h")
    totals = json.loads(deployment.ok("sessions", "--totals", "--json"))
    assert [(row["status"], row["sessions"]) for row in totals] == [("UPLOADED", 1)] and totals[0]["oldest_s"] > 10_000

    assert json.loads(deployment.ok("sweep"))["published"] == 1
    deployment.until(session_id, "DONE")


def test_schedule_is_installed_shown_and_removed(deployment: Deployment) -> None:
    """Installing twice is one schedule."""
    for _ in range(2):
        deployment.ok("schedule", "install")
    assert json.loads(deployment.ok("schedule", "show"))["destination"] == deployment.settings.sweep_url

    deployment.ok("schedule", "remove")
    assert json.loads(deployment.ok("schedule", "show")) is None


def test_export_and_forget(deployment: Deployment) -> None:
    """Everything of a learner is written out; then rows, objects and messages are gone, and a second time is no error."""
    deployment.world.providers.whisper.append(Reply(body={"text": f"{CANARY} said."}))
    done = deployment.world.upload("ada", topic=CANARY)
    deployment.until(done, "DONE")
    other = deployment.world.upload("bob")
    deployment.until(other, "DONE")
    user = deployment.world.database.session(done)["userId"]
    key = f"sessions/{user}/{done}/audio.webm"
    deployment.world.storage.client().put_object(Bucket=deployment.world.storage.bucket, Key=key, Body=AUDIO)
    exported = json.loads(deployment.ok("export", "local-ada"))

    assert exported["user"]["email"] and [one["id"] for one in exported["sessions"]] == [done]
    assert CANARY in exported["sessions"][0]["transcript"]["text"] and len(exported["sessions"][0]["insights"]) == 2
    assert deployment.run("forget", "local-ada").returncode == 1
    assert "left elsewhere" in deployment.ok("forget", "local-ada", "--yes")
    assert deployment.world.storage.stored_keys() == []
    assert [row["externalId"] for row in deployment.world.database.rows('SELECT "externalId" FROM users')] == [
        "local-bob"
    ]
    assert "no such learner" in deployment.ok("forget", "local-ada", "--yes")
    assert deployment.run("export", "local-ada").returncode == 1


def findings(done: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str]]:
    """What the doctor said: point to verdict and advice."""
    return {row["point"]: (row["verdict"], row["advice"]) for row in json.loads(done.stdout)}


def test_doctor_finds_a_sound_deployment_fine(deployment: Deployment) -> None:
    """Every point but those that this storage and this QStash cannot answer; exit code 0."""
    deployment.ok("schedule", "install")
    deployment.run("bucket", "install")
    done = deployment.run("doctor", "--json")
    found = findings(done)

    wrong = {point: advice for point, (verdict, advice) in found.items() if verdict == "wrong"}
    assert wrong.keys() <= {"storage lifecycle"}, wrong
    assert done.returncode == (1 if wrong else 0)
    for point in (
        "settings",
        "database tables",
        "database clock",
        "storage",
        "qstash",
        "qstash signing keys",
        "address",
    ):
        assert found[point] == ("fine", ""), found[point]
    assert found["sessions"][0] == "fine"


@pytest.mark.parametrize(
    ("point", "changes", "advice"),
    [
        ("qstash", {"QSTASH_TOKEN": "wrong"}, "QSTASH_TOKEN"),
        ("qstash signing keys", {"QSTASH_NEXT_SIGNING_KEY": "sig_another_one_that_is_long_enough"}, "copy both"),
        ("settings", {"QSTASH_CURRENT_SIGNING_KEY": ""}, "QSTASH_CURRENT_SIGNING_KEY"),
        ("storage", {"R2_SECRET_ACCESS_KEY": "wrong"}, "R2_"),
        ("address", {"APP_URL": "http://127.0.0.1:9"}, "APP_URL"),
        ("qstash schedule", {}, "schedule install"),
        ("database tables", {"DATABASE_URL": "postgres"}, "prisma migrate deploy"),
    ],
)
def test_doctor_names_what_is_wrong(deployment: Deployment, point: str, changes: dict[str, str], advice: str) -> None:
    """Each point broken in turn: named, with what to do, exit code 1."""
    if changes.get("DATABASE_URL"):
        changes = {"DATABASE_URL": deployment.settings.database_url.get_secret_value().replace("/tests", "/postgres")}
    done = deployment.run("doctor", "--json", **changes)
    found = findings(done)

    assert done.returncode == 1
    assert found[point][0] == "wrong" and advice in found[point][1], found


def test_doctor_names_a_retired_model_and_broken_rules(deployment: Deployment) -> None:
    """A model that the provider does not have; a session under a lease that is over; DONE with its audio left."""
    deployment.world.providers.gone.add("whisper-1")
    dead, untidy = deployment.world.upload(), deployment.world.upload()
    for session_id in (dead, untidy):
        deployment.until(session_id, "DONE")
    set_status(deployment.world, dead, "ANALYZING")
    age(deployment.world, dead, 7200)
    deployment.world.database.execute(f"UPDATE speaking_sessions SET \"audioDeletedAt\" = NULL WHERE id = '{untidy}'")
    found = findings(deployment.run("doctor", "--json"))

    assert found["model whisper-1"][0] == "wrong" and found["model gpt-transcribe"][0] == "fine"
    assert dead in found["sessions lease_over_for_ten_minutes"][1]
    assert untidy in found["sessions done_with_audio"][1]


def test_commands_say_what_to_do(deployment: Deployment) -> None:
    """Wrong words, a database that is down: a sentence and an exit code, no traceback."""
    for words, sentence in (
        (("sessions", "--older-than", "soon"), "write 90s, 15m, 2h or 7d"),
        (("retry",), "required"),
        (("dead-letters", "delete"), "say --all"),
        (("dead-letters", "delete", "1-0"), "no such dead letter"),
    ):
        done = deployment.run(*words)
        assert done.returncode != 0 and sentence in done.stderr and "Traceback" not in done.stderr
    down = deployment.run("sessions", DATABASE_URL="postgresql://nobody:nothing@127.0.0.1:9/none")
    assert down.returncode == 1 and "doctor" in down.stderr and "nothing" not in down.stderr
    assert "COMMAND" in deployment.ok("--help")
