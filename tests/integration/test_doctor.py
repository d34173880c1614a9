"""``python -m app doctor``: each point is found fine where it is, and wrong, with what to do, where it is not."""

import json
import subprocess

import pytest

from tests.integration.test_regions import EU, US, Region, eu, us
from tests.integration.test_repair import age, set_status
from tests.support.deployment import Deployment, deployment, queue

__all__ = ["deployment", "eu", "queue", "us"]


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


def test_doctor_tells_a_wrong_region_from_a_wrong_token(deployment: Deployment, eu: Region, us: Region) -> None:
    """QStash refuses both with the same words."""
    addresses = {"EU_CENTRAL_1_QSTASH_URL": eu.server.url, "US_EAST_1_QSTASH_URL": us.server.url}
    said = {
        token: findings(deployment.run("doctor", "--json", **{**eu.plain, **addresses, "QSTASH_TOKEN": token}))[
            "qstash"
        ]
        for token in (us.server.token, "eyJ-nobody", eu.server.token)
    }

    assert said[us.server.token][0] == "wrong"
    assert f"of the region US_EAST_1: set QSTASH_URL={us.server.url}" in said[us.server.token][1]
    assert said["eyJ-nobody"] == (
        "wrong",
        "QSTASH_TOKEN is refused, and no other region knows it: copy it anew from the QStash console",
    )
    assert said[eu.server.token][0] == "fine"


def test_doctor_names_the_region_and_compares_the_keys_of_both(deployment: Deployment, eu: Region, us: Region) -> None:
    """While one moves: where messages are published, and whether both regions' deliveries will verify."""
    moving = {**eu.named(EU), **us.named(US), "QSTASH_REGION": "US_EAST_1"}
    points = ("qstash", "qstash signing keys", "qstash signing keys EU_CENTRAL_1", "settings")
    sound = findings(deployment.run("doctor", "--json", **moving))
    assert [sound[point][0] for point in points] == ["fine"] * 4
    assert sound["qstash"][1] == "messages are published in US_EAST_1"
    # The service that runs has the keys of no region, and QStash's fixed ones.
    assert [sound[f"address{region}"][0] for region in ("", " EU_CENTRAL_1", " US_EAST_1")] == ["fine", "fine", "wrong"]

    eu.server.request("POST", "/v2/keys/rotate")
    rolled = findings(deployment.run("doctor", "--json", **moving))
    assert rolled["qstash signing keys"][0] == "fine"
    point = rolled["qstash signing keys EU_CENTRAL_1"]
    assert point[0] == "wrong" and "EU_CENTRAL_1_QSTASH_CURRENT_SIGNING_KEY" in point[1]
    half = findings(deployment.run("doctor", "--json", **{**moving, "US_EAST_1_QSTASH_TOKEN": ""}))
    assert "US_EAST_1_QSTASH_TOKEN is missing" in half["settings"][1]
