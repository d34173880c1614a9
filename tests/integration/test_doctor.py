"""``python -m app doctor``: every point is reported as fine, or as wrong with what to do."""

import asyncio
import json
import subprocess

import pytest

from app.commands.doctor import examine
from app.commands.running import parse_time
from app.database.ids import new_cuid
from app.errors import AGAIN
from app.services import open_services
from app.sessions.operator import RULES
from tests.conftest import make_settings
from tests.support.deployment import Deployment, deployed, deployment, queue, wait_for
from tests.support.world import AUDIO, with_settings

__all__ = ["deployed", "deployment", "queue"]


def findings(done: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str]]:
    """The doctor's report: verdict and advice by point."""
    return {row["point"]: (row["verdict"], row["advice"]) for row in json.loads(done.stdout)}


def examined(deployment: Deployment, since: str | None = None, **changes: str) -> dict[str, tuple[str, str]]:
    """The same report, made in this process because that is faster; ``changes`` are environment variables."""
    there = deployment.world
    names = ("qstash_url", "qstash_token", "qstash_current_signing_key", "qstash_next_signing_key")
    queue = {name.upper(): getattr(deployment.settings, name) for name in names}
    providers = deployment.settings.anthropic_base_url
    settings = make_settings(there.database, there.storage, providers, there.url, **{**queue, **changes})

    async def run() -> dict[str, tuple[str, str]]:
        async with open_services(settings) as services:
            # Also look at new objects.
            found = examine(with_settings(services, orphan_grace_seconds=-5), parse_time(since) if since else None)
            return {each.point: (each.verdict, each.advice) async for each in found}

    return asyncio.run(run())


def test_doctor_reports_a_healthy_deployment_as_fine(deployment: Deployment) -> None:
    """Every point is fine, except those that this storage and this QStash cannot answer; the exit code is 0."""
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
    """If neither key is set, QStash provides both: nothing is missing, and the address verifies."""
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
    """Each point is broken in turn, and reported with what to do."""
    if changes.get("DATABASE_URL") == "postgres":
        changes = {"DATABASE_URL": deployment.settings.database_url.get_secret_value().replace("/tests", "/postgres")}
    found = examined(deployment, **changes)

    assert found[point][0] == "wrong" and advice in found[point][1], found


def test_doctor_finds_a_column_that_is_missing(deployment: Deployment) -> None:
    """A column missing in another version of the tables is reported with its model."""
    database = deployment.world.database
    assert examined(deployment)["database columns"] == ("fine", "")
    database.execute('ALTER TABLE transcripts RENAME "wordCount" TO wc')
    try:
        verdict, advice = examined(deployment)["database columns"]
    finally:
        database.execute('ALTER TABLE transcripts RENAME wc TO "wordCount"')

    assert verdict == "wrong" and "transcript" in advice and "prisma migrate deploy" in advice


def test_doctor_names_a_retired_model(deployment: Deployment) -> None:
    """A model that the provider no longer has is wrong; the next one in the setting is fine."""
    deployment.world.providers.retired.add("whisper-1")
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
    """Doctor reports each with an example, ``sessions`` lists all, and the sweep logs an error for each."""
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
    # The sweep first repairs what it can: it takes over sessions whose worker died.
    expected = set(BREAK) - {"lease_over_for_ten_minutes"}
    assert {rule for rule in BREAK if any(f"reason={rule}" in line for line in logged)} == expected
    assert all("error" in line and "counts=1" in line for line in logged)
    assert deployment.run("sessions", "--broken", "typo").returncode == 2


def test_doctor_finds_objects_without_a_session(deployment: Deployment) -> None:
    """Doctor counts them, a dry run lists them, and the sweep deletes them and logs an error."""
    session_id = deployment.world.upload()
    deployment.until(session_id, "DONE")
    user = deployment.world.database.session(session_id)["userId"]
    assert examined(deployment)["storage objects"] == ("fine", "")
    key = f"sessions/{user}/{new_cuid()}/audio.webm"
    deployment.world.storage.client().put_object(Bucket=deployment.world.storage.bucket, Key=key, Body=AUDIO)
    verdict, advice = examined(deployment)["storage objects"]

    assert verdict == "wrong" and advice.startswith("1 that no session needs")
    # The commands ignore new objects.
    old = {"ORPHAN_GRACE_SECONDS": "1"}
    assert wait_for(lambda: json.loads(deployment.ok("sweep", "--dry-run", **old))["delete_orphan"]) == [key]
    assert deployment.world.storage.stored_keys() == [key]
    swept = deployment.run("sweep", **old)
    assert "reason=object_without_session" in swept.stderr and deployment.world.storage.stored_keys() == []


@pytest.mark.thorough
def test_doctor_compares_profiles_with_the_sessions_of_learners_made_since(deployment: Deployment) -> None:
    """Unknown without a date, fine normally, unknown after a session was deleted, and wrong if a count was lost."""
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


def test_doctor_does_not_start_with_a_lease_that_is_too_short(deployment: Deployment) -> None:
    """Neither does the service."""
    done = deployment.run("doctor", PROCESSING_LEASE_SECONDS="300")

    assert done.returncode == 1 and "PROCESSING_LEASE_SECONDS (300) must be at least 20 s longer" in done.stderr
