"""The operator's commands, on an application with its own QStash."""

import json
from pathlib import Path

import httpx
import pytest

from app.errors import MISCONFIGURED
from tests.integration.test_repair import age, set_status
from tests.support.deployment import CANARY, Deployment, deployed, deployment, queue, wait_for
from tests.support.providers import Reply
from tests.support.world import AUDIO

__all__ = ["deployed", "deployment", "queue"]


def test_poisoned_recording_and_dead_letter(deployment: Deployment) -> None:
    """A permanently failed session is listed with its reason; its dead letter is found, not retried, and deleted."""
    deployment.world.providers.whisper.append(Reply(400, {"error": {"message": CANARY}}))
    session_id = deployment.world.upload(topic=CANARY)
    deployment.until(session_id, "FAILED")
    wait_for(deployment.dead_letters)
    letters = json.loads(deployment.ok("dead-letters", "list", "--json"))

    assert [(letter["session_id"], letter["status"]) for letter in letters] == [(session_id, 489)]
    listed = deployment.ok("sessions", "--status", "failed", "--reason", "read as audio")
    assert session_id in listed and "not be tried again" in listed and CANARY not in listed
    wait_for(lambda: deployment.world.database.session(session_id)["audioDeletedAt"])
    refused = deployment.run("dead-letters", "retry", letters[0]["id"])
    assert refused.returncode == 1 and "only a FAILED session with its recording" in refused.stdout
    deleted = json.loads(deployment.ok("dead-letters", "delete", letters[0]["id"], "--json"))
    assert deleted == [{"id": letters[0]["id"], "outcome": "done"}]
    assert json.loads(deployment.ok("dead-letters", "list", "--json")) == []


@pytest.mark.thorough
def test_speech_down_then_dead_letter_retried(deployment: Deployment) -> None:
    """After every attempt has failed, the dead letter is retried through our own checks, and the session is DONE."""
    deployment.world.providers.whisper.append(Reply(503, {}, times=12))
    session_id = deployment.world.upload()
    wait_for(deployment.dead_letters)
    [letter] = json.loads(deployment.ok("dead-letters", "list", "--json"))
    assert deployment.world.database.session(session_id)["errorMessage"].endswith("tried again automatically.")

    deployment.ok("dead-letters", "retry", letter["id"])
    deployment.until(session_id, "DONE")
    assert json.loads(deployment.ok("dead-letters", "list", "--json")) == []


def test_show_reveals_no_private_text(deployment: Deployment) -> None:
    """It shows status, checkpoints, stored objects and events, but not the transcript, topic or e-mail address."""
    deployment.world.providers.whisper.append(Reply(body={"text": f"{CANARY} said."}))
    session_id = deployment.world.upload(topic=CANARY)
    deployment.until(session_id, "DONE")
    shown = json.loads(
        wait_for(lambda: found if "DELIVERED" in (found := deployment.ok("show", session_id, "--json")) else None)
    )

    assert (shown["status"], shown["insights"], shown["audio_bytes"]) == ("DONE", 2, None)
    assert shown["words"] == 2 and shown["audio_deleted_at"]
    assert CANARY not in json.dumps(shown) and "@" not in json.dumps(shown)
    assert deployment.run("show", "nobody").returncode == 1


@pytest.mark.thorough
def test_wrong_key_then_one_command(deployment: Deployment) -> None:
    """Sessions fail because of a wrong key; once it is fixed, one command recovers all of them, after a dry run."""
    deployment.world.providers.whisper.append(Reply(401, {"error": {"message": "x"}}, times=1000))
    sessions = [deployment.world.upload() for _ in range(5)]
    for session_id in sessions:
        assert deployment.until(session_id, "FAILED")["errorMessage"] == MISCONFIGURED
    # QStash has exhausted its attempts.
    wait_for(lambda: deployment.dead_letters() == len(sessions))
    planned = deployment.ok("retry", "--misconfigured", "--dry-run")
    assert all(f"{session_id}  would be published" in planned for session_id in sessions)
    assert {row["status"] for row in deployment.world.database.rows("SELECT status FROM speaking_sessions")} == {
        "FAILED"
    }
    assert len(deployment.world.storage.stored_keys()) == len(sessions)
    deployment.world.providers.whisper.clear()

    assert "5 of 5" in deployment.ok("retry", "--misconfigured", "--rate", "50")
    for session_id in sessions:
        deployment.until(session_id, "DONE")
    assert "no session to retry" in deployment.ok("retry", "--failed-since", "1h")
    deployment.ok("dead-letters", "delete", "--all")


def test_stranded_sessions_are_swept(deployment: Deployment) -> None:
    """Uploads without a message are found by age and listed by a dry run, and the sweep publishes them."""
    session_id = deployment.world.upload()
    deployment.until(session_id, "DONE")
    set_status(deployment.world, session_id, "UPLOADED")
    deployment.world.database.execute('UPDATE speaking_sessions SET "audioDeletedAt" = NULL, "focusNext" = NULL')
    deployment.world.database.execute("DELETE FROM insights")
    age(deployment.world, session_id, 3 * 3600)
    assert session_id in deployment.ok("sessions", "--older-than", "2h")
    totals = json.loads(deployment.ok("sessions", "--totals", "--json"))
    assert [(row["status"], row["sessions"]) for row in totals] == [("UPLOADED", 1)] and totals[0]["oldest_s"] > 10_000

    never_came, failed = deployment.world.upload("bob"), deployment.world.upload("bob")
    for session in (never_came, failed):
        deployment.until(session, "DONE")
        deployment.world.database.execute(
            f"UPDATE speaking_sessions SET \"audioDeletedAt\" = NULL WHERE id = '{session}'"
        )
    set_status(deployment.world, never_came, "CREATED")
    set_status(deployment.world, failed, "FAILED")
    for session in (never_came, failed):
        age(deployment.world, session, 2 * 24 * 3600)
    before = deployment.world.database.rows("SELECT * FROM speaking_sessions ORDER BY id")
    planned = json.loads(deployment.ok("sweep", "--dry-run"))
    assert planned == {
        "publish": [session_id], "give_up": [never_came], "delete_recording": [never_came, failed],
        "delete_orphan": [], "keep_orphan": [],
    }  # fmt: skip
    assert deployment.world.database.rows("SELECT * FROM speaking_sessions ORDER BY id") == before

    swept = json.loads(deployment.ok("sweep"))
    assert (swept["published"], swept["abandoned"]) == (1, 1)
    deployment.until(session_id, "DONE")


def test_schedule_is_installed_shown_and_removed(deployment: Deployment) -> None:
    """Installing twice creates only one schedule."""
    for _ in range(2):
        deployment.ok("schedule", "install")
    assert json.loads(deployment.ok("schedule", "show"))["destination"] == deployment.settings.sweep_url

    refused = deployment.run("schedule", "remove", QSTASH_TOKEN="revoked")
    assert refused.returncode == 1 and "is QSTASH_TOKEN right?" in refused.stderr
    assert json.loads(deployment.ok("schedule", "show")) is not None
    path = deployment.run("schedule", "remove", QSTASH_URL=f"{deployment.settings.qstash_url}/v2")
    assert path.returncode == 1 and "an address without a path" in path.stderr
    for _ in range(2):
        deployment.ok("schedule", "remove")
    assert json.loads(deployment.ok("schedule", "show")) is None


def test_export_and_forget(deployment: Deployment) -> None:
    """Export prints all data of a learner; forget deletes rows, objects and messages, and can be repeated."""
    deployment.world.providers.whisper.append(Reply(body={"text": f"{CANARY} said."}))
    done = deployment.world.upload("ada", topic=CANARY)
    deployment.until(done, "DONE")
    other = deployment.world.upload("bob")
    deployment.until(other, "DONE")
    user = deployment.world.database.session(done)["userId"]
    key = f"sessions/{user}/{done}/audio.webm"
    deployment.world.storage.client().put_object(Bucket=deployment.world.storage.bucket, Key=key, Body=AUDIO)
    exported = json.loads(deployment.ok("export", "local-ada"))

    assert exported["user"]["email"] and [one["id"] for one in exported["sessions"]] == [done]
    assert CANARY in exported["sessions"][0]["transcript"]["text"] and len(exported["sessions"][0]["insights"]) == 2
    assert deployment.run("forget", "local-ada").returncode == 1
    assert json.loads(deployment.ok("export", exported["user"]["email"].upper())) == exported
    assert "not deleted:" in deployment.ok("forget", exported["user"]["email"], "--yes")
    assert deployment.world.storage.stored_keys() == []
    assert [row["externalId"] for row in deployment.world.database.rows('SELECT "externalId" FROM users')] == [
        "local-bob"
    ]
    assert "no such learner" in deployment.ok("forget", "local-ada", "--yes")
    assert deployment.run("export", "local-ada").returncode == 1
    # An empty argument, such as from an unset variable, selects nobody.
    deployment.world.database.execute("UPDATE users SET email = ''")
    nobody = deployment.run("forget", "", "--yes")
    assert nobody.returncode == 1 and "the learner must not be empty" in nobody.stderr
    assert len(deployment.world.database.rows("SELECT id FROM users")) == 1


def test_forget_cancels_queued_messages(deployment: Deployment) -> None:
    """Messages waiting for a retry are cancelled; if QStash is down, everything else is still deleted."""
    # QStash waits for a day, which is 173 s here.
    away = Reply(503, {"error": {"message": "x"}}, {"retry-after": "86400"}, times=1000)
    deployment.world.providers.whisper.append(away)
    for learner in ("ada", "bob"):
        deployment.until(deployment.world.upload(learner), "FAILED")
    deployment.world.database.execute("UPDATE users SET email = 'shared@example.com'")
    shared = deployment.run("forget", "shared@example.com", "--yes")
    assert shared.returncode == 1 and "name one by id" in shared.stderr

    assert "1 queued messages" in deployment.ok("forget", "local-ada", "--yes")
    assert "QStash did not answer" in deployment.ok("forget", "local-bob", "--yes", QSTASH_URL="http://127.0.0.1:9")
    assert deployment.world.storage.stored_keys() == [] and deployment.world.database.rows("SELECT id FROM users") == []


def test_forget_can_be_repeated_after_a_storage_outage(deployment: Deployment) -> None:
    """The learner is kept, and the second run deletes everything; by id it even deletes objects stored after that."""
    session_id = deployment.world.upload()
    user = deployment.world.database.session(session_id)["userId"]
    assert deployment.run("forget", "local-ada", "--yes", R2_ENDPOINT_URL="http://127.0.0.1:9").returncode == 1
    assert f"with the id {user}" in deployment.ok("forget", "local-ada", "--yes")
    assert deployment.world.storage.stored_keys() == []

    key = f"sessions/{user}/{session_id}/audio.webm"
    deployment.world.storage.client().put_object(Bucket=deployment.world.storage.bucket, Key=key, Body=AUDIO)
    unsaid = deployment.run("forget", user)
    assert unsaid.returncode == 1 and "pass --yes" in unsaid.stderr and deployment.world.storage.stored_keys() == [key]
    assert "1 objects were left and are deleted" in deployment.ok("forget", user, "--yes")
    assert "no such learner; to delete" in deployment.ok("forget", "107691503500061507151", "--yes")
    assert deployment.world.storage.stored_keys() == []


def test_unpublished_sessions_are_published_by_the_next_sweep(deployment: Deployment) -> None:
    """A failed publish by a sweep or a retry is reported, listed, and repeated by the next sweep."""
    stranded, failed = deployment.world.upload(), deployment.world.upload("bob")
    for session_id in (stranded, failed):
        deployment.until(session_id, "DONE")
    undo = '"audioDeletedAt" = NULL, "focusNext" = NULL'
    for session_id, status in ((stranded, "UPLOADED"), (failed, "FAILED")):
        set_status(deployment.world, session_id, status)
        deployment.world.database.execute(f"UPDATE speaking_sessions SET {undo} WHERE id = '{session_id}'")
    deployment.world.database.execute("DELETE FROM insights")
    age(deployment.world, stranded, 3600)
    swept = deployment.run("sweep", QSTASH_TOKEN="revoked")
    retried = deployment.run("retry", failed, QSTASH_TOKEN="revoked")

    assert swept.returncode == 1 and json.loads(swept.stdout)["not_published"] == 1 and "doctor" in swept.stderr
    assert retried.returncode == 1 and "leave it to the next sweep" in retried.stdout
    listed = deployment.ok("sessions", "--status", "uploaded", "--reason", "could not be processed yet")
    assert stranded in listed and failed in listed
    for session_id in (stranded, failed):
        age(deployment.world, session_id, 61)
    assert json.loads(deployment.ok("sweep"))["published"] == 2
    for session_id in (stranded, failed):
        deployment.until(session_id, "DONE")


def test_dead_letters_of_others_are_left_alone(deployment: Deployment) -> None:
    """They are neither shown nor deleted, even if they were sent to our host."""
    headers = {"authorization": f"Bearer {deployment.settings.qstash_token.get_secret_value()}", "upstash-retries": "0"}
    other = f"{deployment.settings.qstash_url}/v2/publish/{deployment.settings.app_url}/api/cron/newsletter"
    httpx.post(other, headers=headers, trust_env=False).raise_for_status()
    wait_for(deployment.dead_letters)

    assert json.loads(deployment.ok("dead-letters", "list", "--json")) == []
    deployment.ok("dead-letters", "delete", "--all")
    assert deployment.dead_letters() == 1


def test_show_without_storage_and_without_control_characters(deployment: Deployment) -> None:
    """The rest is shown, and control characters in stored data do not reach the terminal."""
    session_id = deployment.world.upload()
    deployment.until(session_id, "DONE")
    deployment.world.database.execute("UPDATE users SET \"externalId\" = E'\\x1b[31mred'")
    set_status(deployment.world, session_id, "FAILED")
    shown = deployment.ok("show", session_id, R2_ENDPOINT_URL="http://127.0.0.1:9")

    assert "storage did not answer" in shown and "FAILED" in shown
    assert "\x1b" not in shown and "?[31mred" in shown


def test_a_sweep_without_storage_names_broken_rules(deployment: Deployment) -> None:
    """A dry run still reports everything that does not need storage."""
    session_id = deployment.world.upload()
    deployment.until(session_id, "DONE")
    deployment.world.database.execute('UPDATE speaking_sessions SET "focusNext" = NULL')
    away = {"R2_ENDPOINT_URL": "http://127.0.0.1:9"}
    swept, planned = deployment.run("sweep", **away), deployment.run("sweep", "--dry-run", **away)

    assert swept.returncode == 1 and "reason=done_without_focus" in swept.stderr
    assert planned.returncode == 1 and json.loads(planned.stdout)["delete_orphan"] is None


def test_commands_say_what_to_do(deployment: Deployment, tmp_path: Path) -> None:
    """Invalid arguments, wrong settings and an unavailable database give a message and exit code, not a traceback."""
    env_file = tmp_path / "latin-1.env"
    env_file.write_bytes(b"R2_BUCKET_NAME=\xfc\n")
    for words, sentence in (
        (("--env-file", str(env_file), "sessions"), "cannot be read as text in UTF-8"),
        (("sessions", "--limit", "0"), "--limit is from 1 to 10,000"),
        (("sessions", "--totals", "--status", "done"), "take no other filters"),
        (("retry", "nobody", "--dry-run"), "1 of 1 could not be retried"),
        (("retry", "nobody", "nobody else", "--rate", "nan"), "--rate is from 0.01 to 1000"),
        (("show", "\udcff"), "an argument is not UTF-8"),
        (("dead-letters", "delete"), "pass the ids of dead letters, or --all"),
        (("dead-letters", "delete", "1-0"), "no such dead letter"),
    ):
        done = deployment.run(*words)
        assert done.returncode != 0 and sentence in done.stderr and "Traceback" not in done.stderr
    port = deployment.run("serve", PORT="abc")
    assert port.returncode == 1 and "PORT is wrong" in port.stderr and "Traceback" not in port.stderr
    token = deployment.run("doctor", QSTASH_TOKEN="tök")
    assert token.returncode == 1 and "QSTASH_TOKEN contains a character that no key has" in token.stderr
    down = deployment.run("sessions", DATABASE_URL="postgresql://nobody:nothing@127.0.0.1:9/none")
    assert down.returncode == 1 and "doctor" in down.stderr and "nothing" not in down.stderr
