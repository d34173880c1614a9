"""Late events: a completion during a sweep, a message for a finished session, a deletion that hangs."""

import asyncio
import time
from pathlib import Path

import pytest

from app.errors import AGAIN, InvalidState
from app.pipeline import process_session
from app.recordings.orphans import Orphans
from app.services import open_services
from app.sessions import leftovers, owner, repair
from app.sessions.claim import claim
from app.sessions.learner import Learner
from app.sessions.leftovers import Leftover
from app.sweep import sweep as sweep_once
from local.migrate import node
from tests.integration.test_orphans import find_orphans
from tests.integration.test_repair import age, fail, set_status, sweep
from tests.support.providers import Reply
from tests.support.world import AUDIO, World, with_settings

LEARNER = Learner("ahead", "ahead@example.com", None)


@pytest.mark.anyio
async def test_upload_completed_under_a_sweep_keeps_its_recording(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload that is completed between the sweep's look and its update stays UPLOADED and keeps its recording."""
    with world.client() as client:
        begun = client.post(
            "/api/sessions", json={"size": len(AUDIO), "contentType": "audio/webm", "duration": 9}
        ).json()
        upload = begun["upload"]
        client.put(upload["url"], content=AUDIO, headers=upload["headers"])
        age(world, begun["id"], leftovers.UPLOAD_ABANDONED_AFTER_S + 1)
        found = leftovers.abandoned_uploads

        async def then_completed(*arguments: object) -> list[Leftover]:
            listed = await found(*arguments)  # pyright: ignore[reportArgumentType]
            assert client.post(f"/api/sessions/{begun['id']}/complete").status_code == 200
            return listed

        monkeypatch.setattr(leftovers, "abandoned_uploads", then_completed)
        async with open_services(world.settings) as services:
            await sweep_once(services)

    assert world.database.session(begun["id"])["status"] == "UPLOADED"
    assert len(world.storage.stored_keys()) == 1
    assert world.deliver(begun["id"]).status_code == 200


@pytest.mark.anyio
async def test_ended_upload_is_not_reopened_while_its_recording_goes(world: World) -> None:
    """An operator cannot reopen an upload that the sweep has ended, because its recording is being deleted."""
    session_id = world.upload()
    world.database.execute(f"UPDATE speaking_sessions SET status = 'CREATED' WHERE id = '{session_id}'")
    async with open_services(world.settings) as services:
        assert await repair.give_up_upload(services.database, session_id)
        assert await repair.reopen(services.database, session_id) is None


def test_orphan_of_a_long_type(world: World) -> None:
    """Orphaned recordings are found whatever their content type."""
    session_id = world.upload(content_type="audio/" + "x" * 94)
    [key] = world.storage.stored_keys()
    world.database.execute(f"DELETE FROM speaking_sessions WHERE id = '{session_id}'")

    assert find_orphans(world) == Orphans(deleted=1) and world.storage.stored_keys() == [], key


def test_session_is_not_given_up_while_qstash_retries_it(world: World) -> None:
    """A two-day-old session with a recent transient failure: QStash will retry it, so it keeps promising a retry."""
    world.providers.claude.append(Reply(500, {}, times=3))
    session_id = world.upload()
    age(world, session_id, repair.TRANSIENT_GIVE_UP_AFTER_S + 1)
    assert world.deliver(session_id).status_code == 500
    sweep(world)

    assert world.database.session(session_id)["errorMessage"].endswith(AGAIN)
    assert world.deliver(session_id, retried=1).status_code == 200


def test_reopened_session_of_a_week_is_delivered(world: World) -> None:
    """After an operator's retry of an old session, the sweep does not end it before QStash could deliver it."""
    session_id = world.upload()
    age(world, session_id, repair.GIVE_UP_AFTER_S + 1)
    fail(world, session_id, repair.NEVER_PROCESSED)

    async def run() -> None:
        async with open_services(world.settings) as services:
            assert await repair.reopen(services.database, session_id)

    asyncio.run(run())
    sweep(world)
    assert world.deliver(session_id).status_code == 200


def test_second_message_of_a_permanently_failed_session(world: World) -> None:
    """It gets the same answer again, and the session is not processed: no model call, and the same error message."""
    world.providers.whisper.append(Reply(400, {"error": {"message": "x"}}))
    session_id = world.upload()
    assert world.deliver(session_id).status_code == 489
    assert world.deliver_failure(session_id, status=489).status_code == 200
    before = world.database.session(session_id)
    assert world.deliver(session_id).status_code == 400
    answer = world.deliver(session_id, retried=1)

    assert (answer.status_code, answer.json()["code"]) == (489, "PROCESSING_ERROR")
    assert answer.headers["upstash-nonretryable-error"] == "true"
    assert world.database.session(session_id) == before and len(world.providers.transcriptions) == 1


@pytest.mark.anyio
async def test_late_callback_of_a_refusal_keeps_a_reopened_recording(world: World) -> None:
    """Message 1 failed permanently, the session was reopened, and message 2's worker died before 1's callback."""
    world.providers.whisper.append(Reply(400, {"error": {"message": "x"}}))
    session_id = world.upload()
    assert world.deliver(session_id).status_code == 489
    async with open_services(world.settings) as services:
        assert await repair.reopen(services.database, session_id)
        await claim(services.database, session_id, retried=0, lease_s=60)
    assert world.deliver_failure(session_id, status=489).status_code == 400
    age(world, session_id, 61)
    assert world.deliver_failure(session_id, status=489).status_code == 200

    assert len(world.storage.stored_keys()) == 1
    assert world.deliver(session_id, retried=1).status_code == 200


def test_message_that_only_met_a_lease_does_not_end_the_session(world: World) -> None:
    """A message exhausted by 400 answers during another message's lease: the other message may still be delivered."""
    session_id = world.upload()
    set_status(world, session_id, "TRANSCRIBING")
    age(world, session_id, 61)
    assert world.deliver_failure(session_id, status=400).status_code == 200

    assert world.database.session(session_id)["errorMessage"] == repair.NOT_REACHED
    assert world.deliver(session_id, retried=1).status_code == 200


def test_recording_of_a_failure_without_a_message_is_deleted(world: World) -> None:
    """Without a message (from another application) no retry is promised, so the recording is deleted after a day."""
    session_id = world.upload()
    world.database.execute(f"UPDATE speaking_sessions SET status = 'FAILED' WHERE id = '{session_id}'")
    age(world, session_id, leftovers.FAILED_AUDIO_KEPT_S + 1)

    assert sweep(world)["audioDeleted"] == 1 and world.storage.stored_keys() == []


@pytest.mark.anyio
async def test_hanging_deletion_ends_at_the_deadline(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the session is deleted during a delivery and storage hangs, the delivery still ends at its deadline."""
    session_id = world.upload()

    async def deleted_meanwhile(*_: object, **__: object) -> str:
        world.database.execute(f"DELETE FROM speaking_sessions WHERE id = '{session_id}'")
        return "some words"

    async def hangs(*_: object) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr("app.pipeline.transcribe", deleted_meanwhile)
    monkeypatch.setattr("app.adapters.r2.storage.R2.delete", hangs)
    started = time.monotonic()
    async with open_services(world.settings) as services:
        await services.database.warm_up()
        with pytest.raises(InvalidState):
            async with asyncio.timeout(40):
                await process_session(
                    session_id,
                    0,
                    with_settings(services, processing_timeout_seconds=5),
                )
    assert time.monotonic() - started < 40


# Sets the clock of the engine's Node an hour ahead.
AHEAD = """
const RealDate = Date, ahead = 3_600_000;
globalThis.Date = class extends RealDate {
  constructor(...given) { given.length ? super(...given) : super(RealDate.now() + ahead); }
  static now() { return RealDate.now() + ahead; }
};
"""


@pytest.mark.anyio
async def test_the_first_lease_uses_postgresql_time(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first lease of an upload has the right length, however wrong the clock of the engine is."""
    ahead, slanted = tmp_path / "ahead.js", tmp_path / "node"
    ahead.write_text(AHEAD)
    slanted.write_text(f'#!/bin/sh\nexec "{node()}" -r "{ahead}" "$@"\n')
    slanted.chmod(0o755)
    monkeypatch.setenv("PRISMA_ENGINE_NODE", str(slanted))
    async with open_services(world.settings) as services:
        db = services.database
        session = await owner.create(db, LEARNER, duration_s=1, topic=None, language="en", ending="webm")
        assert await owner.mark_uploaded(db, session.id, session.audio_key)
        await claim(db, session.id, retried=0, lease_s=60)
        with pytest.raises(InvalidState) as refused:
            await claim(db, session.id, retried=1, lease_s=60)

    assert refused.value.retry_after_s is not None and refused.value.retry_after_s <= 60
