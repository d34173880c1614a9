"""The two nets below a delivery: the failure callback and the sweep."""

import threading

import pytest

from app.commands.retry import retry
from app.services import open_services
from app.sessions import repair
from tests.support.providers import Reply
from tests.support.world import World


def age(world: World, session_id: str, seconds: int) -> None:
    """Make a session look as if nothing had happened to it for so long."""
    past = f"timezone('utc', now()) - interval '{seconds} seconds'"
    world.database.execute(
        f'UPDATE speaking_sessions SET "createdAt" = {past}, "updatedAt" = {past} WHERE id = \'{session_id}\''
    )


def set_status(world: World, session_id: str, status: str) -> None:
    """Put a session into a state that a dead worker may leave."""
    world.database.execute(f"UPDATE speaking_sessions SET status = '{status}' WHERE id = '{session_id}'")


def sweep(world: World) -> dict[str, int]:
    """One sweep, called as QStash does."""
    answer = world.signed("/api/internal/sweep", b"{}")
    assert answer.status_code == 200, answer.text
    result: dict[str, int] = answer.json()
    return result


@pytest.mark.parametrize("path", ["/api/internal/process-failed", "/api/internal/sweep"])
def test_nets_are_verified_like_a_delivery(world: World, path: str) -> None:
    """Each has its own address in the signature."""
    signature = world.keys.sign(world.settings.process_url, b"{}")
    answer = world.signed(path, b"{}", {"upstash-signature": signature})

    assert answer.status_code == 401


def test_given_up_session_is_failed(world: World) -> None:
    """A worker that died on its last attempt left TRANSCRIBING behind; the callback after its lease sets FAILED."""
    session_id = world.upload()
    set_status(world, session_id, "TRANSCRIBING")
    answer = world.deliver_failure(session_id)
    assert answer.status_code == 400 and 1 <= int(answer.headers["retry-after"]) <= 60

    age(world, session_id, 61)
    assert world.deliver_failure(session_id).status_code == 200
    row = world.database.session(session_id)
    assert (row["status"], row["errorMessage"]) == ("FAILED", "The recording could not be processed")


def test_failure_callback_leaves_done_alone(world: World) -> None:
    """DONE never carries an error message."""
    session_id = world.upload()
    world.deliver(session_id)
    before = world.database.session(session_id)

    assert world.deliver_failure(session_id).status_code == 200
    assert world.deliver_failure("unknown").status_code == 200
    assert world.database.session(session_id) == before


def test_audio_of_a_hopeless_session_is_deleted(world: World) -> None:
    """After a permanent failure nobody comes back for the recording."""
    world.providers.whisper.append(Reply(400, {"error": {"message": "x"}}))
    session_id = world.upload()
    assert world.deliver(session_id).status_code == 489
    assert world.deliver_failure(session_id, status=489).status_code == 200

    row = world.database.session(session_id)
    assert row["audioDeletedAt"] and row["errorMessage"] == "The recording could not be read as audio"
    assert world.storage.stored_keys() == []


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"sourceBody":1}', b'{"sourceBody":"!!!"}', b'{"sourceBody":"e30="}']
)
def test_malformed_callback_is_not_retried(world: World, body: bytes) -> None:
    """As a malformed delivery."""
    assert world.signed("/api/internal/process-failed", body).status_code == 489


def test_sweep_publishes_what_was_left_undelivered(world: World) -> None:
    """An upload that QStash never heard of, and a lease that is over; twice at once it is one message each."""
    silent, dead, fresh = world.upload(), world.upload(), world.upload()
    age(world, silent, repair.UNDELIVERED_AFTER_S + 1)
    set_status(world, dead, "ANALYZING")
    age(world, dead, 60 + repair.LEASE_MARGIN_S + 1)
    world.providers.published.clear()
    threads = [threading.Thread(target=sweep, args=(world,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    ids = {message["headers"]["upstash-deduplication-id"] for message in world.providers.published}
    assert len(ids) == 2 and not any(one.startswith(fresh) for one in ids)
    assert world.deliver(silent).status_code == 200


def test_sweep_ends_what_never_will(world: World) -> None:
    """A recording that kills its worker each time is given up after a day; an upload that never came after an hour."""
    poison, half = world.upload(), world.upload()
    set_status(world, poison, "TRANSCRIBING")
    age(world, poison, repair.GIVE_UP_AFTER_S + 1)
    set_status(world, half, "CREATED")
    age(world, half, repair.UPLOAD_ABANDONED_AFTER_S + 1)

    assert sweep(world) == {"ok": True, "published": 0, "audioDeleted": 1, "abandoned": 2}
    assert {world.database.session(one)["status"] for one in (poison, half)} == {"FAILED"}
    assert len(world.storage.stored_keys()) == 1
    assert sweep(world) == {"ok": True, "published": 0, "audioDeleted": 0, "abandoned": 0}


def test_sweep_deletes_audio_that_should_be_gone(world: World) -> None:
    """A failed session keeps its recording for a day."""
    world.providers.whisper.append(Reply(500, {}))
    session_id = world.upload()
    world.deliver(session_id)
    assert sweep(world)["audioDeleted"] == 0

    age(world, session_id, repair.FAILED_AUDIO_KEPT_S + 1)
    assert sweep(world)["audioDeleted"] == 1
    assert world.storage.stored_keys() == [] and world.database.session(session_id)["audioDeletedAt"]


@pytest.mark.anyio
async def test_operator_can_retry_a_failed_session(world: World) -> None:
    """Back to UPLOADED, published under a new deduplication id; a session that is not FAILED is refused."""
    world.providers.claude.append(Reply(500, {}))
    session_id = world.upload()
    world.deliver(session_id)

    async with open_services(world.settings) as services:
        assert await retry(session_id, services) is None
    ids = [message["headers"]["upstash-deduplication-id"] for message in world.providers.published]
    assert len(set(ids)) == 2
    assert world.deliver(session_id).status_code == 200 and len(world.providers.transcriptions) == 1
    async with open_services(world.settings) as services:
        assert await retry(session_id, services)
