"""The process recovers by itself after the engine is killed, PostgreSQL restarts, or storage is down."""

import os
import signal
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from qstash_on_loopback.signing import Keys

from app.application import create_app
from local.migrate import migrate
from local.ports import LOOPBACK, free_port
from local.postgres import Postgres
from local.storage import Storage
from tests.conftest import make_settings
from tests.support.processes import own_engines
from tests.support.providers import Providers
from tests.support.serving import served
from tests.support.world import AUDIO, MigratedDatabase, World


@pytest.fixture(scope="module")
def fragile(
    tmp_path_factory: pytest.TempPathFactory, shared_providers: tuple[Providers, str]
) -> Generator[World, None, None]:
    """A world with its own PostgreSQL and S3 server, which tests may break."""
    providers, providers_url = shared_providers
    providers.reset()
    with Postgres(tmp_path_factory.mktemp("pg")) as postgres, Storage(tmp_path_factory.mktemp("s3")) as storage:
        migrate(postgres.create_database("fragile"))
        database, port = MigratedDatabase(postgres, "fragile"), free_port()
        settings = make_settings(
            database, storage, providers_url, f"http://{LOOPBACK}:{port}", processing_lease_seconds="3"
        )
        with served(create_app(settings), port) as url:
            yield World(url, settings, database, storage, providers, Keys())


def engine_pids(database_url: str) -> list[int]:
    """The query engines of this process that serve ``database_url``."""
    return [pid for pid in own_engines() if database_url.encode() in Path(f"/proc/{pid}/environ").read_bytes()]


def until_ready(world: World) -> None:
    """Wait until the application can use the database."""
    deadline = time.monotonic() + 20
    while httpx.get(f"{world.url}/api/health/ready", trust_env=False, verify=False).status_code != 200:
        assert time.monotonic() < deadline, "not ready again"
        time.sleep(0.1)


@pytest.mark.thorough
def test_100_deliveries_survive_a_restart_and_a_kill(fragile: World) -> None:
    """PostgreSQL restarts and the engine is killed under load: retries bring all to DONE, nothing is stored twice."""
    with ThreadPoolExecutor(8) as pool:
        uploads = [pool.submit(fragile.upload, f"user-{n % 10}", AUDIO[:100]) for n in range(100)]
        sessions = [upload.result() for upload in uploads]
    fragile.providers.delay_s = 0.02

    def persist(session_id: str) -> None:
        for retried in range(40):
            try:
                answer = fragile.deliver(session_id, retried)
            except httpx.TransportError:
                continue
            if answer.is_success:
                return
            time.sleep(min(3.0, float(answer.headers.get("retry-after", "0.2"))))

    with ThreadPoolExecutor(8) as pool:
        deliveries = [pool.submit(persist, session_id) for session_id in sessions]
        make_trouble(fragile)
        for each in deliveries:
            each.result()
    fragile.providers.delay_s = 0.0
    until_ready(fragile)

    rows = fragile.database.rows("SELECT status::text, count(*) AS n FROM speaking_sessions GROUP BY 1")
    assert rows == [{"status": "DONE", "n": 100}]
    profiles = fragile.database.rows("SELECT patterns FROM pattern_profiles")
    assert len(profiles) == 10
    assert all(profile["patterns"] == {"grammar:Past tense": 30, "structure:So openers": 10} for profile in profiles)
    [counts] = fragile.database.rows(
        "SELECT (SELECT count(*) FROM transcripts) AS t, (SELECT count(*) FROM insights) AS i"
    )
    assert counts == {"t": 100, "i": 200}


def make_trouble(world: World) -> None:
    """Restart PostgreSQL, then kill the engine."""
    time.sleep(0.3)
    world.database.server.restart()
    time.sleep(0.5)
    [pid] = engine_pids(world.database.url)
    os.kill(pid, signal.SIGKILL)


def test_readiness_reflects_the_database(fragile: World) -> None:
    """Without a database the service is alive but not ready; it becomes ready again by itself."""
    server = fragile.database.server
    port = server.port
    server.stop()
    try:
        answer = httpx.get(f"{fragile.url}/api/health/ready", timeout=40, trust_env=False, verify=False)
        assert (answer.status_code, answer.json()["code"]) == (503, "NOT_READY")
        assert httpx.get(f"{fragile.url}/api/health", trust_env=False, verify=False).status_code == 200
        with fragile.client() as client:
            answer = client.get("/api/sessions")
            assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
    finally:
        server.start(port)
    until_ready(fragile)


def test_storage_outage_is_a_transient_failure(fragile: World) -> None:
    """An upload gets 500 and a delivery is retried; once storage is back, the delivery succeeds."""
    session_id = fragile.upload("storage")
    storage = fragile.storage
    storage.kill()
    try:
        with fragile.client("storage") as client:
            files = {"audio": ("b", AUDIO, "audio/webm")}
            answer = client.post("/api/sessions", files=files, data={"duration": "1"})
        assert (answer.status_code, answer.json()) == (
            500,
            {"error": "Failed to create session", "code": "INTERNAL_ERROR"},
        )
        assert fragile.deliver(session_id).status_code == 500
    finally:
        storage.start(storage.port)

    assert fragile.deliver(session_id, retried=1).status_code == 200
