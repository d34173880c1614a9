"""Kills real processes at random while learners upload and delete recordings; then checks every guarantee.

``make chaos`` runs it for longer: SECONDS_OF_CHAOS=120 SEED=1. Two application workers share an address, QStash's clock
runs fifty times as fast, and leases and deadlines are as short as the settings allow.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest
from pydantic import SecretStr
from qstash_on_loopback.__main__ import environment as qstash_environment
from qstash_on_loopback.signing import Keys

from app.errors import NOT_AGAIN
from local.migrate import ROOT, migrate
from local.ports import LOOPBACK, accepts, free_port
from local.postgres import Postgres
from local.process import Child
from local.storage import Storage
from tests.conftest import make_settings
from tests.support.providers import Providers
from tests.support.world import AUDIO, MigratedDatabase, World

pytestmark = pytest.mark.thorough

RUN_S = float(os.environ.get("CHAOS_SECONDS", "12"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
LEARNERS = 4
# The maximum time between two kills, in seconds.
CALM_S = 1.5
SETTLE_S = 240
ONE_SESSION = Counter({"grammar:Past tense": 3, "structure:So openers": 1})


@dataclass
class Chaos:
    """A deployment whose processes may be killed, and the answers that learners received."""

    world: World
    postgres: Postgres
    storage: Storage
    application: Child
    answers: Counter[str] = field(default_factory=Counter[str])
    kills: Counter[str] = field(default_factory=Counter[str])
    kept: dict[str, str] = field(default_factory=dict[str, str])
    deleted: set[str] = field(default_factory=set[str])
    over: threading.Event = field(default_factory=threading.Event)

    def processes(self, kind: str) -> list[psutil.Process]:
        """The application's workers, or their query engines if ``kind`` is "engine"."""
        try:
            children = psutil.Process(self.application.pid).children(recursive=True)
            engines = [child for child in children if "engine/src/main.js" in " ".join(child.cmdline())]
            workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        except psutil.Error:
            return []
        return engines if kind == "engine" else workers

    def kill(self, dice: random.Random) -> None:
        """Kill a random process."""
        kind = dice.choice(["worker", "worker", "engine", "postgres", "storage"])
        self.kills[kind] += 1
        if kind == "postgres":
            self.postgres.restart()
        elif kind == "storage":
            self.storage.kill()
            time.sleep(dice.uniform(0, 1.5))
            self.storage.restart()
        elif victims := self.processes(kind):
            ignoring_kills(lambda: dice.choice(victims).kill())

    def learn(self, user: str, dice: random.Random) -> None:
        """One learner: uploads in both ways, reads and deletes sessions. Failed requests are not retried."""
        while not self.over.is_set():
            ignoring_kills(lambda: self.once(user, dice))
            time.sleep(dice.uniform(0.05, 0.3))

    def once(self, user: str, dice: random.Random) -> None:
        """Create one session, read it, and sometimes delete it."""
        with self.world.client(user) as client:
            session_id = self.direct(client) if dice.random() < 0.4 else self.form(client)
            if session_id is None:
                return
            self.kept[session_id] = user
            client.get(f"/api/sessions/{session_id}")
            if dice.random() < 0.3:
                time.sleep(dice.uniform(0, 0.5))
                # From now on the session may be deleted, whatever the answer.
                self.kept.pop(session_id)
                self.deleted.add(session_id)
                self.note("delete", client.delete(f"/api/sessions/{session_id}"))

    def form(self, client: httpx.Client) -> str | None:
        """Upload through the application."""
        files = {"audio": ("blob", AUDIO, "audio/webm")}
        answer = self.note("upload", client.post("/api/sessions", files=files, data={"duration": "12"}))
        return answer.json()["id"] if answer.status_code == 201 else None

    def direct(self, client: httpx.Client) -> str | None:
        """Upload directly to storage."""
        begun = self.note(
            "begin",
            client.post("/api/sessions", json={"duration": 12, "size": len(AUDIO), "contentType": "audio/webm"}),
        )
        if begun.status_code != 201:
            return None
        upload = begun.json()["upload"]
        if not httpx.put(upload["url"], content=AUDIO, headers=upload["headers"], trust_env=False).is_success:
            return None
        done = self.note("complete", client.post(f"/api/sessions/{begun.json()['id']}/complete"))
        return begun.json()["id"] if done.status_code == 200 else None

    def note(self, what: str, answer: httpx.Response) -> httpx.Response:
        """Count an answer. Every error must have the documented JSON body, whatever is broken."""
        self.answers[f"{what} {answer.status_code}"] += 1
        if answer.status_code >= 400:
            assert set(answer.json()) == {"error", "code"}, answer.text
        return answer


def ignoring_kills(attempt: Callable[[], object]) -> None:
    """Run something that a kill may interrupt."""
    with contextlib.suppress(httpx.HTTPError, psutil.Error, subprocess.SubprocessError, KeyError):
        attempt()


def wait_for(holds: Callable[[], bool], limit_s: float = SETTLE_S, said: Callable[[], object] = str) -> None:
    """Wait until a condition holds. ``said`` describes the state if it does not."""
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, f"the system did not settle: {said()}"
        time.sleep(0.3)


@pytest.fixture
def chaos(tmp_path: Path, shared_providers: tuple[Providers, str]) -> Generator[Chaos, None, None]:
    """PostgreSQL, storage, QStash and two workers, each in its own process."""
    providers, providers_url = shared_providers
    providers.reset()
    queue_port, port = free_port(), free_port()
    queue = Child(
        "qstash",
        [sys.executable, "-m", "qstash_on_loopback", "--port", str(queue_port), "--time-scale", "0.02"],
        tmp_path / "qstash.log",
        dict(os.environ),
    )
    with Postgres(tmp_path / "pg", max_connections=100) as postgres, Storage(tmp_path / "s3") as storage:
        migrate(postgres.create_database("chaos"))
        settings = make_settings(
            MigratedDatabase(postgres, "chaos"),
            storage,
            providers_url,
            f"http://{LOOPBACK}:{port}",
            **qstash_environment(queue_port),
            PROCESSING_TIMEOUT_SECONDS="5",
            PROCESSING_LEASE_SECONDS="25",
            ORPHAN_GRACE_SECONDS="1",
        )
        values = {
            name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in dict(settings).items()
        }
        command: list[str | Path] = [sys.executable, "-m", "uvicorn", "app.main:app", "--workers", "2"]
        application = Child(
            "app",
            [*command, "--host", LOOPBACK, "--port", str(port)],
            tmp_path / "app.log",
            {**os.environ, **values},
            ROOT,
        )
        world = World(settings.app_url, settings, MigratedDatabase(postgres, "chaos"), storage, providers, Keys())
        try:
            application.wait_until(lambda: accepts(port), 60)
            wait_for(lambda: httpx.get(f"{world.url}/api/health/ready", trust_env=False).is_success, 60)
            yield Chaos(world, postgres, storage, application)
        finally:
            application.stop()
            queue.stop()


@pytest.mark.timeout(900)
def test_every_promise_holds_after_kills_of_everything(chaos: Chaos) -> None:
    """Sessions are processed and counted once, none is stranded, no recording is left, and the log is not private."""
    dice = random.Random(SEED)
    with ThreadPoolExecutor(LEARNERS) as pool:
        learners = [
            pool.submit(chaos.learn, f"user-{number}", random.Random(SEED * 100 + number)) for number in range(LEARNERS)
        ]
        end = time.monotonic() + RUN_S
        while time.monotonic() < end:
            time.sleep(dice.uniform(0.3, CALM_S))
            chaos.kill(dice)
        chaos.over.set()
        for learner in learners:
            learner.result(SETTLE_S)
    settle(chaos)
    print(f"\nseed {SEED}: kills {dict(chaos.kills)}, answers {dict(sorted(chaos.answers.items()))}")

    assert broken_guarantees(chaos) == []


def settle(chaos: Chaos) -> None:
    """Let time pass and run the sweep, until no session is waiting and no object is left."""
    db = chaos.world.database
    waiting = (
        "SELECT id, status, \"errorMessage\" FROM speaking_sessions WHERE status NOT IN ('DONE', 'CREATED') "
        f"AND right(coalesce(\"errorMessage\", ''), {len(NOT_AGAIN)}) <> '{NOT_AGAIN}'"
    )

    def at_rest() -> bool:
        past = "timezone('utc', now()) - interval '2 hours'"
        db.execute(f"UPDATE speaking_sessions SET \"updatedAt\" = {past} WHERE status IN ('UPLOADED', 'FAILED')")
        # A live lease must not be touched; it expires by itself.
        answer = chaos.world.signed("/api/internal/sweep", b"{}")
        time.sleep(1)
        return answer.is_success and not db.rows(waiting)

    wait_for(lambda: httpx.get(f"{chaos.world.url}/api/health/ready", trust_env=False).is_success, 60)
    wait_for(at_rest, said=lambda: db.rows(waiting))
    db.execute(
        "UPDATE speaking_sessions SET \"createdAt\" = \"createdAt\" - interval '2 hours' WHERE status = 'CREATED'"
    )

    def nothing_stored() -> bool:
        chaos.world.signed("/api/internal/sweep", b"{}")
        return not chaos.storage.stored_keys()

    wait_for(nothing_stored, said=chaos.storage.stored_keys)


def broken_guarantees(chaos: Chaos) -> list[str]:
    """The guarantees that do not hold."""
    db = chaos.world.database
    rows = {row["id"]: row for row in db.rows("SELECT * FROM speaking_sessions")}
    found = [f"{session_id}: lost" for session_id in chaos.kept if session_id not in rows]
    found += [
        f"{session_id}: {rows[session_id]['status']} {rows[session_id]['errorMessage']}"
        for session_id in chaos.kept
        if session_id in rows and rows[session_id]["status"] != "DONE"
    ]
    for table, expected in (("transcripts", 1), ("insights", 2)):
        counted = Counter(row["sessionId"] for row in db.rows(f'SELECT "sessionId" FROM {table}'))
        done = [session_id for session_id, row in rows.items() if row["status"] == "DONE"]
        found += [
            f"{session_id}: {counted[session_id]} {table}" for session_id in done if counted[session_id] != expected
        ]
    profiles = db.rows(
        "SELECT u.id, p.patterns, (SELECT count(*) FROM speaking_sessions s WHERE s.\"userId\" = u.id AND s.status = 'DONE') "
        'AS done FROM users u LEFT JOIN pattern_profiles p ON p."userId" = u.id'
    )
    for profile in profiles:
        counts: dict[str, int] = profile["patterns"] or {}
        sessions: int = profile["done"]
        times: set[float] = {counts.get(key, 0) / each for key, each in ONE_SESSION.items()}
        # A deleted session may have been counted before; every session counts once, as a whole.
        if len(times) != 1 or not sessions <= min(times) <= sessions + len(chaos.deleted):
            found.append(f"profile of {profile['id']}: {json.dumps(counts)} for {sessions} sessions")
    log = (chaos.application.log_path or Path()).read_text(errors="replace")
    found += [word for word in ("example.com", "sk-test", "sig_", "I go to school", "Traceback") if word in log]
    return found


def test_sigterm_ends_what_the_chaos_started(chaos: Chaos) -> None:
    """After a stop, no worker and no engine is left."""
    descendants = psutil.Process(chaos.application.pid).children(recursive=True)
    chaos.application.stop(signal.SIGTERM)

    psutil.wait_procs(descendants, timeout=30)
    assert [process for process in descendants if process.is_running() and process.status() != "zombie"] == []
