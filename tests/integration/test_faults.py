"""Effectively exactly once: a fault at each external call of the pipeline, followed by QStash's retries."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import httpx
import pytest
from pydantic import SecretStr

from app.application import create_app
from local.migrate import ROOT
from local.ports import LOOPBACK, accepts, free_port
from local.postgres import Postgres
from local.storage import Storage
from tests.conftest import make_settings
from tests.support.faults import Fault, Faults
from tests.support.providers import TRANSCRIPT, Providers
from tests.support.recordings import recording
from tests.support.serving import served
from tests.support.world import AUDIO, World

LEASE_S = 2
# Longer than the lease, so that the hanging delivery continues after another one has done its work.
HANG_S = LEASE_S + 1.5
# QStash's own timeout, shortened.
GIVES_UP_AFTER_S = 0.5
ATTEMPTS = 8
# Whisper's limit, lowered so that 44 seconds are a long recording.
MAX_FILE_BYTES = 250_000
AT_ONCE = 6


@dataclass
class FaultyWorld:
    """A world with an application that injects planned faults."""

    world: World
    faults: Faults
    content: bytes
    parts: int

    def run(self, fault: Fault | None, deliveries: int, name: str) -> list[str]:
        """Upload, deliver with the fault, retry until success, and return the invariants that do not hold."""
        session_id = self.world.upload(user=name, content=self.content)
        if fault is not None:
            self.faults.planned[session_id] = fault
        first = [threading.Thread(target=self.attempt, args=(session_id, 0)) for _ in range(deliveries)]
        for thread in first:
            thread.start()
        for thread in first:
            thread.join()
        return self.settle(session_id, name, fault)

    def settle(self, session_id: str, name: str, fault: Fault | None = None) -> list[str]:
        """Retry as QStash does until an answer is 2xx, and return the invariants that do not hold."""
        for retried in range(1, ATTEMPTS):
            answer = self.attempt(session_id, retried)
            if answer is not None and answer.is_success:
                break
            time.sleep(min(LEASE_S + 1, int(answer.headers.get("retry-after", "0"))) if answer is not None else 0.1)
        if fault is not None and fault.kind != "kill":
            assert fault.over.wait(HANG_S + 5), f"the fault at {fault.at} never happened"
        return self.broken_invariants(session_id, name)

    def attempt(self, session_id: str, retried: int, timeout_s: float = GIVES_UP_AFTER_S) -> httpx.Response | None:
        """Send one delivery. None if there was no answer in time."""
        body = json.dumps({"sessionId": session_id}).encode()
        signature = self.world.keys.sign(self.world.settings.process_url, body)
        headers = {"upstash-signature": signature, "upstash-retried": str(retried)}
        url = f"{self.world.url}/api/internal/process"
        try:
            return httpx.post(url, content=body, headers=headers, timeout=timeout_s, trust_env=False, verify=False)
        except httpx.TransportError:
            return None

    def broken_invariants(self, session_id: str, name: str) -> list[str]:
        """The invariants that do not hold. Waits for a late delivery."""
        deadline = time.monotonic() + 5
        while self.world.database.session(session_id)["status"] != "DONE" and time.monotonic() < deadline:
            time.sleep(0.1)
        db = self.world.database
        row = db.session(session_id)
        profile = db.rows(f"SELECT patterns FROM pattern_profiles WHERE \"userId\" = '{row['userId']}'")
        transcripts = db.rows(f"SELECT text FROM transcripts WHERE \"sessionId\" = '{session_id}'")
        transcribed = sum(session_id in call["filename"] for call in self.world.providers.transcriptions)
        analyzed = sum(session_id in call["messages"][0]["content"] for call in self.world.providers.messages)
        facts = {
            "DONE": row["status"] == "DONE" and row["errorMessage"] is None and row["focusNext"] is not None,
            "one transcript": [row["text"].count(TRANSCRIPT) for row in transcripts] == [self.parts],
            "insights once": len(db.rows(f"SELECT id FROM insights WHERE \"sessionId\" = '{session_id}'")) == 2,
            "profile once": profile == [{"patterns": {"grammar:Past tense": 3, "structure:So openers": 1}}],
            "no audio": not any(session_id in key for key in self.world.storage.stored_keys()),
            "Whisper at most once more": self.parts <= transcribed <= self.parts + 1,
            "Claude at most twice": 1 <= analyzed <= 2,
        }
        return [f"{name}: not {fact}: {row}" for fact, holds in facts.items() if not holds]


@pytest.fixture(scope="module", params=["short", pytest.param("long", marks=pytest.mark.thorough)])
def faulty(
    postgres: Postgres,
    migrated: object,
    storage: Storage,
    shared_providers: tuple[Providers, str],
    shared_world: World,
    request: pytest.FixtureRequest,
) -> Generator[FaultyWorld, None, None]:
    """An application with a short lease and fault injection; the recording needs one or two Whisper calls."""
    providers, providers_url = shared_providers
    providers.reset()
    providers.names_sessions = True
    port, faults = free_port(), Faults(max_file_bytes=MAX_FILE_BYTES, lease_s=LEASE_S)
    settings = make_settings(
        shared_world.database,
        storage,
        providers_url,
        f"http://{LOOPBACK}:{port}",
        # A lease of seconds leaves no time to wait for a free media process.
        media_processes=str(AT_ONCE),
    )
    with served(create_app(settings, faults.opener()), port) as url:
        there = World(url, settings, shared_world.database, storage, providers, shared_world.keys)
        yield FaultyWorld(there, faults, *((AUDIO, 1) if request.param == "short" else (recording("webm", 1), 2)))
    providers.names_sessions = False
    shared_world.database.clear()


@pytest.fixture(scope="module")
def places(faulty: FaultyWorld) -> list[str]:
    """Every external call of a delivery, in order. They are recorded, so that a new step is covered automatically."""
    # The first delivery of a process imports the SDKs, which takes longer than these tests wait.
    assert faulty.world.deliver(faulty.world.upload(user="warm-up", content=faulty.content)).status_code == 200
    session_id = faulty.world.upload(user="recorder", content=faulty.content)
    assert faulty.world.deliver(session_id).status_code == 200
    calls = faulty.faults.calls[session_id]
    assert {call.split(".")[0] for call in calls} >= {"database", "storage", "whisper", "claude"}
    return list(calls)


def test_a_delivery_makes_eight_external_calls(faulty: FaultyWorld, places: list[str]) -> None:
    """A webhook may cost four statements, one GET, one DELETE and one call of each model; each part costs two more."""
    parts = ["whisper.transcribe", "database.write_rows"] * faulty.parts if faulty.parts > 1 else ["whisper.transcribe"]
    assert places == [
        *("database.write_rows", "storage.download", *parts, "database.write_rows", "storage.delete"),
        *("database.write", "claude.analyze", "database.write_rows"),
    ]


@pytest.mark.parametrize("deliveries", [1, 2])
@pytest.mark.parametrize("kind", ["error_before", "error_after", "hang"])
def test_fault_anywhere_ends_in_exactly_once(
    faulty: FaultyWorld, places: list[str], kind: str, deliveries: int
) -> None:
    """Whatever fails: DONE, one transcript, insights and profile counted once, no audio, at most one extra call."""

    def one(at: int) -> list[str]:
        return faulty.run(Fault(at, kind, HANG_S), deliveries, f"{kind}-{at}-{places[at]}-{deliveries}")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        problems = [problem for found in pool.map(one, range(len(places))) for problem in found]

    assert problems == []


@pytest.mark.thorough
@pytest.mark.parametrize("deliveries", [1, 2])
def test_sigkill_anywhere_ends_in_exactly_once(faulty: FaultyWorld, places: list[str], deliveries: int) -> None:
    """A real process is killed after each external call; the retries reach another one."""

    def one(at: int) -> list[str]:
        name = f"kill-{at}-{places[at]}-{deliveries}"
        session_id = faulty.world.upload(user=name, content=faulty.content)
        with KilledProcess(faulty.world, at) as (url, process):
            there = replace(faulty, world=replace(faulty.world, url=url))
            threads = [threading.Thread(target=there.attempt, args=(session_id, 0)) for _ in range(deliveries)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            # On a busy machine, a delivery may time out before the process has read it; then it is sent again.
            deadline = time.monotonic() + 120
            while process.poll() is None and time.monotonic() < deadline:
                there.attempt(session_id, 0)
            assert process.poll() == -9, f"{name}: the process did not die"
        return faulty.settle(session_id, name)

    with ThreadPoolExecutor(4) as pool:
        problems = [problem for found in pool.map(one, range(len(places))) for problem in found]

    assert problems == []


class KilledProcess:
    """Context manager: an application process that dies after external call number ``at``."""

    def __init__(self, world: World, at: int) -> None:
        self._port = free_port()
        secrets = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in dict(world.settings).items()
        }
        secrets["AUTH_SECRET"] = secrets.pop("auth_secret")
        env = {**os.environ, "KILLED_PROCESS_SETTINGS": json.dumps(secrets)}
        command = [sys.executable, "-m", "tests.support.killed_process", str(self._port), str(at), str(MAX_FILE_BYTES)]
        self._process = subprocess.Popen(
            command, env=env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def __enter__(self) -> tuple[str, subprocess.Popen[bytes]]:
        deadline = time.monotonic() + 120
        while not accepts(self._port):
            assert self._process.poll() is None and time.monotonic() < deadline, "the process did not start"
            time.sleep(0.05)
        return f"http://{LOOPBACK}:{self._port}", self._process

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def test_64_sessions_of_one_user_at_once(world: World) -> None:
    """All are DONE, and the profile adds up exactly."""
    with ThreadPoolExecutor(16) as pool:
        uploads = [pool.submit(world.upload, content=AUDIO[:100]) for _ in range(64)]
        sessions = [upload.result() for upload in uploads]
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(world.deliver_until_quiet, sessions))

    assert {answer.status_code for answer in answers} == {200}
    [profile] = world.database.rows("SELECT patterns FROM pattern_profiles")
    assert profile["patterns"] == {"grammar:Past tense": 3 * 64, "structure:So openers": 64}


@pytest.mark.parametrize("stored", ["null", "[]", '"text"', "5", '{"grammar:Past tense": "7", "x": null}'])
def test_invalid_profile_is_repaired(world: World, stored: str) -> None:
    """An invalid profile left by another application never fails a session; other entries are kept."""
    world.deliver(world.upload())
    world.database.execute(f"UPDATE pattern_profiles SET patterns = '{stored}'::jsonb")

    assert world.deliver(world.upload()).status_code == 200
    [profile] = world.database.rows("SELECT patterns FROM pattern_profiles")
    assert profile["patterns"]["grammar:Past tense"] == 3
    assert profile["patterns"].get("x", None) is None


def test_session_deleted_while_it_is_processed(world: World) -> None:
    """The delivery ends without an error: no row reappears, no audio is left, and QStash stops."""
    world.providers.delay_s = 0.4
    try:
        session_id = world.upload()
        answers: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: answers.append(world.deliver(session_id)))
        thread.start()
        while world.database.session(session_id)["status"] != "TRANSCRIBING":
            time.sleep(0.02)
        with world.client() as client:
            assert client.delete(f"/api/sessions/{session_id}").status_code == 200
        thread.join()
    finally:
        world.providers.delay_s = 0.0

    assert answers[0].status_code == 200
    assert world.database.rows("SELECT id FROM speaking_sessions") == [] and world.storage.stored_keys() == []
