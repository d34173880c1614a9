"""The two safety nets of deliveries: the failure callback and the sweep."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.commands.retry import retry
from app.errors import AGAIN, MISCONFIGURED, NOT_AGAIN
from app.services import open_services
from app.sessions import leftovers, repair
from app.settings import Settings
from app.sweep import Swept
from app.sweep import sweep as sweep_once
from tests.support.providers import Reply
from tests.support.world import World


def age(world: World, session_id: str, seconds: int) -> None:
    """Make a session look unchanged for ``seconds``."""
    past = f"timezone('utc', now()) - interval '{seconds} seconds'"
    world.database.execute(
        f'UPDATE speaking_sessions SET "createdAt" = {past}, "updatedAt" = {past} WHERE id = \'{session_id}\''
    )


def set_status(world: World, session_id: str, status: str) -> None:
    """Set a session's status, such as one that a dead worker may leave behind."""
    world.database.execute(f"UPDATE speaking_sessions SET status = '{status}' WHERE id = '{session_id}'")


def fail(world: World, session_id: str, sentence: str) -> None:
    """Set a session to FAILED with an error message."""
    world.database.execute(
        f"UPDATE speaking_sessions SET status = 'FAILED', \"errorMessage\" = '{sentence}' WHERE id = '{session_id}'"
    )


def run_sweep(settings: Settings) -> Swept:
    """Run a sweep with other settings."""

    async def run() -> Swept:
        async with open_services(settings) as services:
            return await sweep_once(services)

    return asyncio.run(run())


def sweep(world: World) -> dict[str, int]:
    """Run a sweep as QStash does."""
    answer = world.signed("/api/internal/sweep", b"{}")
    assert answer.status_code == 200, answer.text
    result: dict[str, int] = answer.json()
    return result


@pytest.mark.parametrize("path", ["/api/internal/process-failed", "/api/internal/sweep"])
def test_callback_and_sweep_verify_signatures(world: World, path: str) -> None:
    """A signature is valid only for its own address."""
    signature = world.keys.sign(world.settings.process_url, b"{}")
    answer = world.signed(path, b"{}", {"upstash-signature": signature})

    assert answer.status_code == 401


def test_given_up_session_is_failed(world: World) -> None:
    """If a worker died on the last attempt and left TRANSCRIBING, the callback sets FAILED after the lease."""
    session_id = world.upload()
    set_status(world, session_id, "TRANSCRIBING")
    answer = world.deliver_failure(session_id)
    assert answer.status_code == 400 and 1 <= int(answer.headers["retry-after"]) <= 60

    age(world, session_id, 61)
    assert world.deliver_failure(session_id).status_code == 200
    row = world.database.session(session_id)
    assert (row["status"], row["errorMessage"]) == ("FAILED", repair.NEVER_PROCESSED)


def test_failure_callback_leaves_done_alone(world: World) -> None:
    """DONE never carries an error message."""
    session_id = world.upload()
    world.deliver(session_id)
    before = world.database.session(session_id)

    assert world.deliver_failure(session_id).status_code == 200
    assert world.deliver_failure("unknown").status_code == 200
    assert world.database.session(session_id) == before


def test_audio_is_deleted_after_a_permanent_failure(world: World) -> None:
    """After a permanent failure the recording is of no further use."""
    world.providers.whisper.append(Reply(400, {"error": {"message": "x"}}))
    session_id = world.upload()
    assert world.deliver(session_id).status_code == 489
    assert world.deliver_failure(session_id, status=489).status_code == 200

    row = world.database.session(session_id)
    assert row["audioDeletedAt"] and row["errorMessage"] == f"The recording could not be read as audio. {NOT_AGAIN}"
    assert world.storage.stored_keys() == []


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"sourceBody":1}', b'{"sourceBody":"!!!"}', b'{"sourceBody":"e30="}']
)
def test_malformed_callback_is_not_retried(world: World, body: bytes) -> None:
    """Like a malformed delivery."""
    assert world.signed("/api/internal/process-failed", body).status_code == 489


def test_callback_of_an_undelivered_message_costs_no_session(world: World) -> None:
    """If no attempt reached us, the session is FAILED with the promise of a retry, and the sweep retries it."""
    session_id = world.upload()
    assert world.deliver_failure(session_id).status_code == 200
    assert world.database.session(session_id)["errorMessage"] == repair.NOT_REACHED

    age(world, session_id, repair.FAILED_RETRY_AFTER_S + 1)
    assert sweep(world)["published"] == 1
    assert world.deliver(session_id).status_code == 200


def test_callback_of_an_earlier_message_leaves_a_reopened_session_alone(world: World) -> None:
    """The session is waiting for another message, and needs its recording."""
    session_id = world.upload()
    made_ms = int((time.time() - 3600) * 1000)

    assert world.deliver_failure(session_id, status=489, createdAt=made_ms).status_code == 200
    assert world.database.session(session_id)["status"] == "UPLOADED" and world.storage.stored_keys()


def test_callback_during_a_live_lease_deletes_nothing(world: World) -> None:
    """While a delivery is working, the callback is asked to retry later, whatever status it reports."""
    session_id = world.upload()
    for status in ("TRANSCRIBING", "ANALYZING"):
        set_status(world, session_id, status)
        before = world.database.session(session_id)
        answer = world.deliver_failure(session_id, status=489)

        assert answer.status_code == 400 and 1 <= int(answer.headers["retry-after"]) <= 60
        assert world.database.session(session_id) == before and world.storage.stored_keys()


def test_callback_keeps_the_recording_while_a_retry_is_promised(world: World) -> None:
    """A 489 for an earlier message does not apply to a session with a newer transient failure."""
    world.providers.whisper.append(Reply(500, {}, times=3))
    session_id = world.upload()
    world.deliver(session_id)

    world.deliver_failure(session_id, status=489)
    assert world.storage.stored_keys() and not world.database.session(session_id)["audioDeletedAt"]


def test_sweep_publishes_what_was_left_undelivered(world: World) -> None:
    """Unpublished uploads, expired leases and promised retries get one message each, even with concurrent sweeps."""
    silent, dead, failed, fresh = (world.upload() for _ in range(4))
    age(world, silent, repair.UNDELIVERED_AFTER_S + 1)
    set_status(world, dead, "ANALYZING")
    age(world, dead, 60 + repair.LEASE_MARGIN_S + 1)
    fail(world, failed, f"The storage did not answer. {AGAIN}")
    age(world, failed, repair.FAILED_RETRY_AFTER_S + 1)
    world.providers.published.clear()
    with ThreadPoolExecutor(2) as pool:
        swept = [result["published"] for result in pool.map(sweep, [world, world])]

    ids = {message["headers"]["upstash-deduplication-id"].split("-")[0] for message in world.providers.published}
    assert sum(swept) == len(world.providers.published) == 3 and ids == {silent, dead, failed}
    assert fresh not in ids and world.deliver(silent).status_code == 200
    assert sweep(world)["published"] == 0


def test_one_sweep_publishes_a_thousand_sessions(world: World) -> None:
    """After an outage, one sweep publishes the backlog in under a minute, each session once, despite a refusal."""
    first = world.upload()
    world.database.execute(
        'INSERT INTO speaking_sessions (id, "userId", status, "audioUrl", "createdAt", "updatedAt") '
        "SELECT 'c' || lpad(n::text, 24, '0'), \"userId\", 'UPLOADED', "
        "'sessions/' || \"userId\" || '/c' || lpad(n::text, 24, '0') || '/audio.webm', \"createdAt\", "
        f"now() - interval '1 day' FROM speaking_sessions, generate_series(1, 999) n WHERE id = '{first}'"
    )
    age(world, first, 24 * 3600)
    world.providers.published.clear()
    world.providers.qstash.append(Reply(400, {"error": "no"}))
    started = time.monotonic()
    published = sweep(world)["published"]

    assert time.monotonic() - started < 60 and published == 999
    ids = [message["headers"]["upstash-deduplication-id"] for message in world.providers.published]
    assert len(ids) == len(set(ids)) == 1000


def test_sweep_leaves_rows_of_other_applications_alone(world: World) -> None:
    """Rows without a key, with a foreign key, or with a later version's status are not changed or published."""
    sessions = [world.upload() for _ in range(3)]
    world.database.execute("ALTER TYPE \"SessionStatus\" ADD VALUE IF NOT EXISTS 'ARCHIVED'")
    for session_id, change in zip(
        sessions, ('"audioUrl" = NULL', "\"audioUrl\" = 'exports/1.webm'", "status = 'ARCHIVED'"), strict=True
    ):
        world.database.execute(f"UPDATE speaking_sessions SET {change} WHERE id = '{session_id}'")
        age(world, session_id, repair.GIVE_UP_AFTER_S + 1)
    before = [world.database.session(session_id) for session_id in sessions]
    keys = world.storage.stored_keys()
    swept = sweep(world)

    assert (swept["published"], swept["abandoned"], swept["audioDeleted"]) == (0, 0, 0)
    assert [world.database.session(session_id) for session_id in sessions] == before
    assert world.storage.stored_keys() == keys


def test_sessions_are_given_up_only_after_days_of_failed_retries_or_a_week(world: World) -> None:
    """Waiting sessions and configuration errors: a week. Transient failures: two days of hourly attempts."""
    day = 24 * 3600
    waiting, transient, ours = world.upload(), world.upload(), world.upload()
    for days, ended in ((1.5, set[str]()), (2.5, {transient}), (7.5, {waiting, ours})):
        set_status(world, waiting, "UPLOADED")
        fail(world, transient, f"The storage did not answer. {AGAIN}")
        fail(world, ours, MISCONFIGURED)
        for session_id in (waiting, transient, ours):
            age(world, session_id, int(days * day))
        sweep(world)
        rows = {session_id: world.database.session(session_id) for session_id in (waiting, transient, ours)}
        final = {session_id for session_id, row in rows.items() if (row["errorMessage"] or "").endswith(NOT_AGAIN)}
        assert final == ended | ({transient} if days > 7 else set()), f"after {days} days: {rows}"


def test_upload_that_never_arrived_is_ended(world: World) -> None:
    """After an hour it is FAILED, and anything that was stored is deleted."""
    session_id = world.upload()
    set_status(world, session_id, "CREATED")
    age(world, session_id, leftovers.UPLOAD_ABANDONED_AFTER_S + 1)

    swept = sweep(world)
    assert (swept["abandoned"], swept["audioDeleted"]) == (1, 1)
    assert world.database.session(session_id)["errorMessage"] == repair.NEVER_UPLOADED
    assert world.storage.stored_keys() == []


def test_sweep_deletes_audio_that_should_be_gone(world: World) -> None:
    """A permanently failed session keeps its recording for a day; one that will be retried keeps it longer."""
    final, promised = world.upload(), world.upload()
    fail(world, final, f"The recording could not be read as audio. {NOT_AGAIN}")
    fail(world, promised, MISCONFIGURED)
    assert sweep(world)["audioDeleted"] == 0

    age(world, final, leftovers.FAILED_AUDIO_KEPT_S + 1)
    assert sweep(world)["audioDeleted"] == 1
    assert [promised in key for key in world.storage.stored_keys()] == [True]
    assert world.database.session(final)["audioDeletedAt"]


@pytest.mark.anyio
async def test_operator_can_retry_a_failed_session(world: World) -> None:
    """Each retry sets UPLOADED and publishes with a new deduplication id; a DONE session is refused."""
    world.providers.claude.append(Reply(500, {}, times=3))
    session_id = world.upload()
    world.deliver(session_id)

    async with open_services(world.settings) as services:
        assert await retry(session_id, services) is None
        assert await retry(session_id, services) is None
    ids = [message["headers"]["upstash-deduplication-id"] for message in world.providers.published]
    assert len(ids) == len(set(ids)) == 3
    assert world.deliver(session_id).status_code == 200 and len(world.providers.transcriptions) == 1
    async with open_services(world.settings) as services:
        assert await retry(session_id, services)
