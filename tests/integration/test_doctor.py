"""``python -m app doctor``: each point is found fine where it is, and wrong, with what to do, where it is not."""

import asyncio
import json
import subprocess
from dataclasses import replace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.commands import doctor
from app.commands.checkups import Finding
from app.commands.doctor import examine
from app.commands.running import moment
from app.database.ids import new_cuid
from app.errors import AGAIN
from app.services import Services, open_services
from app.sessions.operator import RULES
from app.settings import Settings
from tests.conftest import make_settings
from tests.support.deployment import CANARY, Deployment, deployed, deployment, queue, wait_for
from tests.support.serving import served
from tests.support.world import AUDIO

__all__ = ["deployed", "deployment", "queue"]


def findings(done: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str]]:
    """What the doctor said: point to verdict and advice."""
    return {row["point"]: (row["verdict"], row["advice"]) for row in json.loads(done.stdout)}


def examined(deployment: Deployment, since: str | None = None, **changes: str) -> dict[str, tuple[str, str]]:
    """The same from within this process, which is quicker; ``changes`` are of the environment."""
    there = deployment.world
    names = ("qstash_url", "qstash_token", "qstash_current_signing_key", "qstash_next_signing_key")
    queue = {name.upper(): getattr(deployment.settings, name) for name in names}
    providers = deployment.settings.anthropic_base_url
    settings = make_settings(there.database, there.storage, providers, there.url, **{**queue, **changes})

    async def run() -> dict[str, tuple[str, str]]:
        async with open_services(settings) as services:
            # Objects need no age to be looked at.
            found = examine(replace(services, orphan_grace_s=-5), settings, moment(since) if since else None)
            return {each.point: (each.verdict, each.advice) async for each in found}

    return asyncio.run(run())


def test_doctor_finds_a_sound_deployment_fine(deployment: Deployment) -> None:
    """Every point but those that this storage and this QStash cannot answer; exit code 0."""
    deployment.ok("schedule", "install")
    deployment.run("bucket", "install")
    done = deployment.run("doctor", "--json")
    found = findings(done)

    wrong = {point: advice for point, (verdict, advice) in found.items() if verdict == "wrong"}
    assert wrong.keys() <= {"storage lifecycle"}, wrong
    assert done.returncode == (1 if wrong else 0)
    points = (
        "settings",
        "database tables",
        "database clock",
        "storage",
        "qstash signing keys",
        "qstash clock",
        "address",
    )
    assert [found[point] for point in points] == [("fine", "")] * len(points)
    assert found["qstash"] == ("fine", "messages are published in 127.0.0.1")
    assert found["sessions"][0] == "fine"


def test_doctor_takes_the_signing_keys_as_serve_does(deployment: Deployment) -> None:
    """Where neither is set, QStash gives both: nothing is missing, and the address verifies."""
    done = deployment.run("doctor", "--json", QSTASH_CURRENT_SIGNING_KEY="", QSTASH_NEXT_SIGNING_KEY="")
    found = findings(done)

    assert [found[point] for point in ("settings", "qstash signing keys", "address")] == [("fine", "")] * 3


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
        ("database", {"DATABASE_URL": "postgresql://nobody:wrong@127.0.0.1:9/none"}, "DATABASE_URL"),
        ("qstash", {"QSTASH_URL": "http://127.0.0.1:9"}, "QSTASH_URL"),
        ("model whisper-1", {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, "does not answer"),
    ],
)
def test_doctor_names_what_is_wrong(deployment: Deployment, point: str, changes: dict[str, str], advice: str) -> None:
    """Each point broken in turn: named, with what to do."""
    if changes.get("DATABASE_URL") == "postgres":
        changes = {"DATABASE_URL": deployment.settings.database_url.get_secret_value().replace("/tests", "/postgres")}
    found = examined(deployment, **changes)

    assert found[point][0] == "wrong" and advice in found[point][1], found


def test_doctor_finds_a_column_that_is_missing(deployment: Deployment) -> None:
    """Of another version of the tables: named by its model."""
    database = deployment.world.database
    assert examined(deployment)["database columns"] == ("fine", "")
    database.execute('ALTER TABLE transcripts RENAME "wordCount" TO wc')
    try:
        verdict, advice = examined(deployment)["database columns"]
    finally:
        database.execute('ALTER TABLE transcripts RENAME wc TO "wordCount"')

    assert verdict == "wrong" and "transcript" in advice and "prisma migrate deploy" in advice


def test_doctor_reports_an_answer_of_an_unknown_form(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends no report, and is not quoted."""

    async def odd(_services: Services, _settings: Settings) -> list[Finding]:
        raise ValueError(CANARY)

    monkeypatch.setattr(doctor, "CHECKUPS", (odd, *doctor.CHECKUPS))

    async def list_only(_request: Request) -> Response:
        return JSONResponse([])

    with served(Starlette(routes=[Route("/{path:path}", list_only)])) as url:
        found = examined(deployment, OPENAI_BASE_URL=f"{url}/v1", QSTASH_URL=url)

    assert found["odd"][0] == "unknown" and "ValueError" in found["odd"][1] and CANARY not in str(found)
    assert found["model whisper-1"][0] == "wrong" and "sessions" in found


def test_doctor_names_a_retired_model(deployment: Deployment) -> None:
    """One that the provider does not have; the next in the setting is fine."""
    deployment.world.providers.gone.add("whisper-1")
    done = deployment.run("doctor", "--json")
    found = findings(done)

    assert done.returncode == 1
    assert found["model whisper-1"][0] == "wrong" and "docs/models.md" in found["model whisper-1"][1]
    assert found["model gpt-transcribe"][0] == "fine"


BREAK = {
    "done_with_audio": '"audioDeletedAt" = NULL',
    "done_without_focus": '"focusNext" = NULL',
    "done_without_transcript": "language = 'xx'",
    "waiting_over_an_hour": "status = 'FAILED', \"createdAt\" = now() - interval '2 hours', "
    f"\"errorMessage\" = 'Busy. {AGAIN}'",
    "lease_over_for_ten_minutes": "status = 'ANALYZING', \"updatedAt\" = now() - interval '2 hours'",
}


def test_each_broken_rule_is_counted_listed_and_logged(deployment: Deployment) -> None:
    """By doctor with an id, in full on request, by the sweep with an error line each; none of it in a sound deployment."""
    assert set(BREAK) == set(RULES)
    sessions = {rule: deployment.world.upload() for rule in BREAK}
    for session_id in sessions.values():
        deployment.until(session_id, "DONE")
    assert examined(deployment)["sessions"] == ("fine", "")
    assert "invariant_broken" not in deployment.run("sweep").stderr
    for rule, session_id in sessions.items():
        deployment.world.database.execute(f"UPDATE speaking_sessions SET {BREAK[rule]} WHERE id = '{session_id}'")
    untranscribed = sessions["done_without_transcript"]
    deployment.world.database.execute(f"DELETE FROM transcripts WHERE \"sessionId\" = '{untranscribed}'")
    found = examined(deployment)

    for rule, session_id in sessions.items():
        verdict, advice = found[f"sessions {rule}"]
        assert verdict == "wrong" and advice.startswith(f"1, such as {session_id};")
    dead = sessions["lease_over_for_ten_minutes"]
    listed = deployment.ok("sessions", "--broken", "lease_over_for_ten_minutes", "--json")
    assert json.loads(listed) == [{"id": dead}]
    logged = [line for line in deployment.run("sweep").stderr.splitlines() if "invariant_broken" in line]
    # The sweep mends what it can first: it takes over sessions whose worker died.
    expected = set(BREAK) - {"lease_over_for_ten_minutes"}
    assert {rule for rule in BREAK if any(f"reason={rule}" in line for line in logged)} == expected
    assert all("error" in line and "counts=1" in line for line in logged)
    assert deployment.run("sessions", "--broken", "typo").returncode == 2


def test_doctor_finds_objects_without_a_session(deployment: Deployment) -> None:
    """Counted by doctor, listed on request, deleted by the sweep with an error line."""
    session_id = deployment.world.upload()
    deployment.until(session_id, "DONE")
    user = deployment.world.database.session(session_id)["userId"]
    assert examined(deployment)["storage objects"] == ("fine", "")
    key = f"sessions/{user}/{new_cuid()}/audio.webm"
    deployment.world.storage.client().put_object(Bucket=deployment.world.storage.bucket, Key=key, Body=AUDIO)
    verdict, advice = examined(deployment)["storage objects"]

    assert verdict == "wrong" and advice.startswith("1 that no session needs")
    # The commands look at objects of some age only.
    old = {"ORPHAN_GRACE_SECONDS": "1"}
    assert wait_for(lambda: json.loads(deployment.ok("sweep", "--dry-run", **old))["delete_orphan"]) == [key]
    assert deployment.world.storage.stored_keys() == [key]
    swept = deployment.run("sweep", **old)
    assert "reason=object_without_session" in swept.stderr and deployment.world.storage.stored_keys() == []


@pytest.mark.thorough
def test_doctor_compares_profiles_with_the_sessions_of_learners_made_since(deployment: Deployment) -> None:
    """Not without a date; fine as it comes; unknown after a session was deleted; wrong once a count was lost."""
    sessions = [deployment.world.upload() for _ in range(2)]
    for session_id in sessions:
        deployment.until(session_id, "DONE")
    learner = deployment.world.database.session(sessions[0])["userId"]

    def profiles(since: str = "2026-01-01") -> tuple[str, str]:
        return examined(deployment, since)["profiles"]

    assert examined(deployment)["profiles"][0] == "unknown" and "--since" in examined(deployment)["profiles"][1]
    assert profiles() == ("fine", "")
    with deployment.world.client() as client:
        client.delete(f"/api/sessions/{sessions[0]}")
    assert profiles() == ("fine", "")
    verdict, advice = examined(deployment, "2026-01-01")["profiles above"]
    assert verdict == "unknown" and advice.startswith(f"1, such as {learner}: they count more")
    assert "invariant_broken" not in deployment.run("sweep").stderr
    counts = '{"grammar:Past tense": 2, "structure:So openers": 1}'
    for broken in (counts, "{}", "[]", '{"grammar:Past tense": "9", "structure:So openers": 9}'):
        deployment.world.database.execute(f"UPDATE pattern_profiles SET patterns = '{broken}'")
        verdict, advice = profiles()
        assert verdict == "wrong" and advice.startswith(f"1, such as {learner}:")
    assert profiles("2999-01-01T00:00:00Z") == ("fine", "")
    [logged] = [line for line in deployment.run("sweep").stderr.splitlines() if "invariant_broken" in line]
    assert "reason=profile_below_sessions" in logged and "counts=1" in logged and learner not in logged
    done = deployment.run("doctor", "--since", "2026-01-01", "--json")
    assert done.returncode == 1 and findings(done)["profiles"][0] == "wrong"


def test_doctor_names_who_refuses_us(deployment: Deployment) -> None:
    """Each provider's key, and a service behind APP_URL with other keys: all of them answer 401."""

    async def refuse(_request: Request) -> Response:
        return JSONResponse({"error": "no"}, 401)

    with served(Starlette(routes=[Route("/{path:path}", refuse, methods=["GET", "POST"])])) as url:
        found = examined(deployment, OPENAI_BASE_URL=f"{url}/v1", ANTHROPIC_BASE_URL=url, APP_URL=url)

    assert found["model whisper-1"] == found["model claude-haiku-4-5"] == ("wrong", "the provider refuses our key")
    assert found["address"] == ("wrong", "the service behind APP_URL has other signing keys, or another APP_URL")
    gone = examined(
        deployment, OPENAI_BASE_URL=f"{url}/v1", QSTASH_URL=url, APP_URL=deployment.settings.anthropic_base_url
    )
    assert gone["address"] == ("wrong", "something else answers behind APP_URL (404)")
    assert [gone[point][0] for point in ("model whisper-1", "qstash")] == ["wrong"] * 2
    path = examined(deployment, QSTASH_URL=f"{deployment.settings.qstash_url}/v2")["qstash"]
    assert path[0] == "wrong" and "an address without a path" in path[1]


def test_doctor_knows_what_answers_anything(deployment: Deployment) -> None:
    """A page behind every address: neither QStash, nor a model, nor storage."""

    async def fine(_request: Request) -> Response:
        return JSONResponse({"ok": True})

    methods = ["GET", "PUT", "POST", "DELETE", "HEAD"]
    with served(Starlette(routes=[Route("/{path:path}", fine, methods=methods)])) as url:
        found = examined(
            deployment, QSTASH_URL=url, OPENAI_BASE_URL=url, ANTHROPIC_BASE_URL=url, R2_ENDPOINT_URL=url, APP_URL=url
        )

    points = ("qstash", "model whisper-1", "model claude-haiku-4-5", "storage", "address")
    assert [found[point][0] for point in points] == ["wrong"] * len(points), found
    refused = examined(deployment, R2_ENDPOINT_URL="http://my_minio:9000")["storage"]
    assert refused[0] == "wrong" and "R2_" in refused[1]


def test_doctor_tells_our_own_failure_from_a_stranger(deployment: Deployment) -> None:
    """What answers behind APP_URL has a code of ours."""

    async def fail(_request: Request) -> Response:
        return JSONResponse({"error": "Internal server error", "code": "INTERNAL_ERROR"}, 500)

    with served(Starlette(routes=[Route("/{path:path}", fail, methods=["POST"])])) as url:
        found = examined(deployment, APP_URL=url)["address"]

    assert found == ("wrong", "the service behind APP_URL answers 500: see the other points, and its log")


def test_doctor_finds_rules_that_do_not_cover_us(deployment: Deployment) -> None:
    """An expiry of tagged objects, uploads from another page."""
    client, bucket = deployment.world.storage.client(), deployment.world.storage.bucket
    tagged = {"And": {"Prefix": "sessions/", "Tags": [{"Key": "k", "Value": "v"}]}}
    expiry: Any = {"Rules": [{"ID": "r", "Status": "Enabled", "Filter": tagged, "Expiration": {"Days": 3}}]}
    pages: Any = {"AllowedOrigins": ["https://elsewhere.example"], "AllowedMethods": ["PUT"], "AllowedHeaders": ["*"]}
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=expiry)
    client.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [pages]})
    try:
        found = examined(deployment)
    finally:
        client.delete_bucket_lifecycle(Bucket=bucket)
        client.delete_bucket_cors(Bucket=bucket)

    assert found["storage lifecycle"][0] == "wrong"
    assert found["storage cors"][0] == "unknown" and "no CORS rule allows pages of http" in found["storage cors"][1]


def test_doctor_does_not_start_with_a_lease_that_is_too_short(deployment: Deployment) -> None:
    """As the service does not; with one that is long enough every other test here starts."""
    done = deployment.run("doctor", PROCESSING_LEASE_SECONDS="300")

    assert done.returncode == 1 and "PROCESSING_LEASE_SECONDS (300) must be at least 20 s longer" in done.stderr
