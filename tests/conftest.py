"""Shared fixtures: one PostgreSQL, one S3 server, one set of scripted providers and one application."""

import logging
import os
import signal
import tempfile
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from qstash_on_loopback.__main__ import environment as qstash_environment
from qstash_on_loopback.signing import Keys

from app.application import create_app
from app.logs import configure_logging
from app.services import OpenServices, Services, open_services
from app.settings import Settings
from local.migrate import ROOT, migrate
from local.ports import LOOPBACK, free_port
from local.postgres import Postgres
from local.storage import Storage
from tests.support.providers import Providers
from tests.support.serving import served
from tests.support.world import SECRET, MigratedDatabase, World

# Child processes of the tests use this checkout's packages, wherever the installed ones come from.
os.environ["PYTHONPATH"] = str(ROOT / "packages" / "qstash-on-loopback" / "src")
# If a script starts the tests in the background, they ignore Ctrl-C, and so would every program that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
# A slow machine is not a failure.
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")
os.environ.setdefault("PRISMA_QUERY_ENGINE_BINARY", str(ROOT / "engine" / "query-engine"))
# The Node.js chosen by the setup, so that tests started by hand do not need one on the machine.
if (ROOT / ".local" / "bin" / "node").exists():
    os.environ.setdefault("PRISMA_ENGINE_NODE", str(ROOT / ".local" / "bin" / "node"))
# As in the Makefile: tests write only below this folder.
os.environ["TMPDIR"] = tempfile.tempdir = str(ROOT / ".local" / "tmp")
Path(tempfile.tempdir).mkdir(parents=True, exist_ok=True)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop of asynchronous tests."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Generator[Postgres, None, None]:
    """A PostgreSQL server."""
    # Without fsync, only a crash of the machine can lose rows, not a crash of the server.
    with Postgres(tmp_path_factory.mktemp("postgres"), max_connections=150, settings={"fsync": "off"}) as server:
        yield server


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Generator[Storage, None, None]:
    """An S3 server."""
    with Storage(tmp_path_factory.mktemp("storage")) as server:
        yield server


@pytest.fixture(scope="session")
def migrated(postgres: Postgres) -> MigratedDatabase:
    """A migrated database."""
    migrate(postgres.create_database("tests"))
    return MigratedDatabase(postgres, "tests")


@pytest.fixture(scope="session")
def shared_providers() -> Generator[tuple[Providers, str], None, None]:
    """The scripted providers and their address."""
    providers = Providers()
    with served(providers.app) as url:
        yield providers, url


def make_settings(
    database: MigratedDatabase, storage: Storage, providers_url: str, app_url: str, **changes: str
) -> Settings:
    """Settings for an application that uses this database, this storage and these providers."""
    values = {
        **qstash_environment(1),
        "DATABASE_URL": database.url,
        "APP_URL": app_url,
        "AUTH_SECRET": SECRET,
        "QSTASH_URL": providers_url,
        "R2_ENDPOINT_URL": storage.endpoint_url,
        "R2_ACCESS_KEY_ID": storage.access_key,
        "R2_SECRET_ACCESS_KEY": storage.secret_key,
        "R2_BUCKET_NAME": storage.bucket,
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": f"{providers_url}/v1",
        "ANTHROPIC_API_KEY": "sk-ant-test",
        "ANTHROPIC_BASE_URL": providers_url,
        **changes,
    }
    named: dict[str, Any] = {name if name == "AUTH_SECRET" else name.lower(): value for name, value in values.items()}
    return Settings(**named)


def capture_services(opened: list[Services]) -> OpenServices:
    """An ``open_services`` for the application that also adds the opened services to a list."""

    @asynccontextmanager
    async def open_captured(settings: Settings) -> AsyncGenerator[Services, None]:
        async with open_services(settings) as services:
            opened.append(services)
            yield services

    return open_captured


@pytest.fixture(scope="session")
def shared_world(
    migrated: MigratedDatabase, storage: Storage, shared_providers: tuple[Providers, str]
) -> Generator[World, None, None]:
    """The application on a socket, shared by all tests."""
    providers, providers_url = shared_providers
    port = free_port()
    settings = make_settings(
        migrated,
        storage,
        providers_url,
        f"http://{LOOPBACK}:{port}",
        processing_lease_seconds="60",
        processing_timeout_seconds="40",
    )
    opened: list[Services] = []
    with served(create_app(settings, capture_services(opened)), port) as url:
        yield World(url, settings, migrated, storage, providers, Keys(), opened)


@pytest.fixture
def world(shared_world: World) -> World:
    """The application, with empty database and storage, and unscripted providers."""
    shared_world.providers.reset()
    empty(shared_world)
    return shared_world


def empty(shared_world: World) -> None:
    """Delete all rows and all objects."""
    shared_world.database.clear()
    for key in shared_world.storage.stored_keys():
        shared_world.storage.client().delete_object(Bucket=shared_world.storage.bucket, Key=key)


@pytest.fixture(autouse=True)
def _logging(tmp_path: Path) -> Generator[None, None, None]:  # pyright: ignore[reportUnusedFunction]
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    configure_logging("json")
    yield
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    logging.captureWarnings(False)
