"""Real processes, killed at random while learners record, upload directly and delete; then every promise is checked.

``make chaos`` runs it for longer: SECONDS_OF_CHAOS=120 SEED=1. Two workers of the application share an address; QStash's time
runs fifty times as fast; leases and deadlines are as short as settings allow.
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
from tests.support.world import AUDIO, Database, World

pytestmark = pytest.mark.thorough

RUN_S = float(os.environ.get("CHAOS_SECONDS", "12"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
LEARNERS = 4
# Between two kills, in seconds.
CALM_S = 1.5
SETTLE_S = 240
ONE_SESSION = Counter({"grammar:Past tense": 3, "structure:So openers": 1})


@dataclass
class Chaos:
    """A deployment whose processes may be killed, and what the learners were told."""

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
        """The application's workers, or their query engines."""
        try:
            children = psutil.Process(self.application.pid).children(recursive=True)
            engines = [child for child in children if "engine/src/main.js" in " ".join(child.cmdline())]
            workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        except psutil.Error:
            return []
        return engines if kind == "engine" else workers

    def kill(self, dice: random.Random) -> None:
        """Kill something."""
        kind = dice.choice(["worker", "worker", "engine", "postgres", "storage"])
        self.kills[kind] += 1
        if kind == "postgres":
            self.postgres.restart()
        elif kind == "storage":
            self.storage.kill()
            time.sleep(dice.uniform(0, 1.5))
            self.storage.restart()
        elif victims := self.processes(kind):
            with_luck(lambda: dice.choice(victims).kill())

    def learn(self, user: str, dice: random.Random) -> None:
        """One learner: uploads in both ways, looks, deletes; whatever fails is tried no further."""
        while not self.over.is_set():
            with_luck(lambda: self.once(user, dice))
            time.sleep(dice.uniform(0.05, 0.3))

    def once(self, user: str, dice: random.Random) -> None:
        """One session."""
        with self.world.client(user) as client:
            session_id = self.direct(client) if dice.random() < 0.4 else self.form(client)
            if session_id is None:
                return
            self.kept[session_id] = user
            client.get(f"/api/sessions/{session_id}")
            if dice.random() < 0.3:
                time.sleep(dice.uniform(0, 0.5))
                # From here on it may be gone, whatever the answer.
                self.kept.pop(session_id)
                self.deleted.add(session_id)
                self.note("delete", client.delete(f"/api/sessions/{session_id}"))

    def form(self, client: httpx.Client) -> str | None:
        """Upload through the application."""
        files = {"audio": ("blob", AUDIO, "audio/webm")}
        answer = self.note("upload", client.post("/api/sessions", files=files, data={"duration": "12"}))
        return answer.json()["id"] if answer.status_code == 201 else None

    def direct(self, client: httpx.Client) -> str | None:
        """Upload to storage."""
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
        """Count an answer; each has the JSON of the contract, whatever is broken."""
        self.answers[f"{what} {answer.status_code}"] += 1
        if answer.status_code >= 400:
            assert set(answer.json()) == {"error", "code"}, answer.text
        return answer


def with_luck(attempt: Callable[[], object]) -> None:
    """Try something that a kill may interrupt."""
    with contextlib.suppress(httpx.HTTPError, psutil.Error, subprocess.SubprocessError, KeyError):
        attempt()


def wait_for(holds: Callable[[], bool], limit_s: float = SETTLE_S, said: Callable[[], object] = str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, f"it did not come to rest: {said()}"
        time.sleep(0.3)


@pytest.fixture
def chaos(tmp_path: Path, shared_providers: tuple[Providers, str]) -> Generator[Chaos, None, None]:
    """PostgreSQL, storage, QStash and two workers, each a process of its own."""
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
            Database(postgres, "chaos"),
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
        world = World(settings.app_url, settings, Database(postgres, "chaos"), storage, providers, Keys())
        try:
            application.wait_until(lambda: accepts(port), 60)
            wait_for(lambda: httpx.get(f"{world.url}/api/health/ready", trust_env=False).is_success, 60)
            yield Chaos(world, postgres, storage, application)
        finally:
            application.stop()
            queue.stop()


@pytest.mark.timeout(900)
def test_every_promise_holds_after_kills_of_everything(chaos: Chaos) -> None:
    """Done once, counted once, nothing stranded, no recording left, nothing private in the log."""
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

    assert wrong(chaos) == []


def settle(chaos: Chaos) -> None:
    """Let time pass: leases end, the sweep comes round, until no session waits and no object is left."""
    db = chaos.world.database
    waiting = (
        "SELECT id, status, \"errorMessage\" FROM speaking_sessions WHERE status NOT IN ('DONE', 'CREATED') "
        f"AND right(coalesce(\"errorMessage\", ''), {len(NOT_AGAIN)}) <> '{NOT_AGAIN}'"
    )

    def at_rest() -> bool:
        past = "timezone('utc', now()) - interval '2 hours'"
        db.execute(f"UPDATE speaking_sessions SET \"updatedAt\" = {past} WHERE status IN ('UPLOADED', 'FAILED')")
        # A lease that is alive is nobody's to touch; it ends by itself.
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


def wrong(chaos: Chaos) -> list[str]:
    """Which promises do not hold."""
    db = chaos.world.database
    rows = {row["id"]: row for row in db.rows("SELECT * FROM speaking_sessions")}
    found = [f"{one}: lost" for one in chaos.kept if one not in rows]
    found += [
        f"{one}: {rows[one]['status']} {rows[one]['errorMessage']}"
        for one in chaos.kept
        if one in rows and rows[one]["status"] != "DONE"
    ]
    for table, expected in (("transcripts", 1), ("insights", 2)):
        counted = Counter(row["sessionId"] for row in db.rows(f'SELECT "sessionId" FROM {table}'))
        done = [one for one, row in rows.items() if row["status"] == "DONE"]
        found += [f"{one}: {counted[one]} {table}" for one in done if counted[one] != expected]
    profiles = db.rows(
        "SELECT u.id, p.patterns, (SELECT count(*) FROM speaking_sessions s WHERE s.\"userId\" = u.id AND s.status = 'DONE') "
        'AS done FROM users u LEFT JOIN pattern_profiles p ON p."userId" = u.id'
    )
    for profile in profiles:
        counts: dict[str, int] = profile["patterns"] or {}
        sessions: int = profile["done"]
        times: set[float] = {counts.get(key, 0) / each for key, each in ONE_SESSION.items()}
        # A deleted session may have been counted before it went; each session counts once, as a whole.
        if len(times) != 1 or not sessions <= min(times) <= sessions + len(chaos.deleted):
            found.append(f"profile of {profile['id']}: {json.dumps(counts)} for {sessions} sessions")
    log = (chaos.application.log_path or Path()).read_text(errors="replace")
    found += [word for word in ("example.com", "sk-test", "sig_", "I go to school", "Traceback") if word in log]
    return found


def test_sigterm_ends_what_the_chaos_started(chaos: Chaos) -> None:
    """After a stop no worker and no engine is left."""
    everything = psutil.Process(chaos.application.pid).children(recursive=True)
    chaos.application.stop(signal.SIGTERM)

    psutil.wait_procs(everything, timeout=30)
    assert [process for process in everything if process.is_running() and process.status() != "zombie"] == []
