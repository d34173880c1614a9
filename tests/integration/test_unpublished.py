"""Sessions that QStash did not accept: the next sweep publishes them, whatever happened in between."""

import asyncio
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress

import pytest

from app.adapters.qstash.queue import Queue
from app.commands.retry import retry
from app.errors import Unavailable
from app.recordings.upload import publish
from app.services import open_services
from app.sessions import repair
from app.sweep import sweep
from tests.integration.test_repair import age, run_sweep, set_status
from tests.support.providers import Reply
from tests.support.world import World


def shift(world: World, session_id: str, seconds: int) -> None:
    """Make a session older by ``seconds``."""
    moved = ", ".join(f'"{name}" = "{name}" - interval \'{seconds} seconds\'' for name in ("createdAt", "updatedAt"))
    world.database.execute(f"UPDATE speaking_sessions SET {moved} WHERE id = '{session_id}'")


@contextmanager
def publishing_fails(monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]) -> Generator[None]:
    """Make every publish raise ``failure``."""

    async def fail(*_: object, **__: object) -> None:
        raise failure

    with monkeypatch.context() as patched:
        patched.setattr(Queue, "publish", fail)
        yield


def test_messages_waiting_in_flow_control_are_not_published_again(world: World) -> None:
    """While messages wait in flow control, an UPLOADED session counts as one of them for a day."""
    session_id = world.upload()
    world.providers.published.clear()
    world.providers.waiting = 3
    settings = world.settings.model_copy(update={"qstash_flow_control_key": "speaking"})
    age(world, session_id, 3600)
    assert run_sweep(settings).published == 0

    age(world, session_id, 24 * 3600 + 1)
    assert run_sweep(settings).published == 1


def test_a_failed_publish_is_repeated_although_others_wait(world: World) -> None:
    """A refused session has no message in flow control, so the next sweep publishes it."""
    session_id = world.upload()
    world.providers.published.clear()
    world.providers.waiting = 3
    settings = world.settings.model_copy(update={"qstash_flow_control_key": "speaking"})
    age(world, session_id, 24 * 3600 + 1)
    world.providers.qstash.append(Reply(400, {"error": "no"}))
    assert run_sweep(settings).not_published == 1
    assert run_sweep(settings).published == 0  # another sweep may be publishing it

    age(world, session_id, 61)
    assert run_sweep(settings).published == 1
    # Now its message may be waiting in flow control.
    age(world, session_id, 3600)
    assert run_sweep(settings).published == 0


def test_an_upload_that_qstash_refused_is_published_next(world: World) -> None:
    """Even if other messages wait in flow control; its owner sees no error."""
    world.providers.qstash.append(Reply(400, {"error": "no"}))
    session_id = world.upload()
    world.providers.waiting = 3
    with world.client() as client:
        assert client.get(f"/api/sessions/{session_id}").json()["errorMessage"] is None

    age(world, session_id, 61)
    assert run_sweep(world.settings.model_copy(update={"qstash_flow_control_key": "speaking"})).published == 1


@pytest.mark.parametrize("failure", [asyncio.CancelledError, RuntimeError, Unavailable])
def test_a_publish_that_is_interrupted_is_repeated(
    world: World, failure: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C, a bug or a QStash outage, neither a sweep nor a retry loses the session or falsifies its times."""
    swept, retried = world.upload(), world.upload()
    age(world, swept, 3600)
    set_status(world, retried, "FAILED")
    before = world.database.session(retried)["updatedAt"]

    async def run() -> None:
        async with open_services(world.settings) as services:
            for work in (sweep(services), retry(retried, services)):
                with suppress(failure):
                    await work

    with publishing_fails(monkeypatch, failure):
        asyncio.run(run())
    assert world.database.session(retried)["updatedAt"] > before
    for session_id in (swept, retried):
        age(world, session_id, 61)
    assert run_sweep(world.settings).published == 2


def test_an_unpublished_retry_is_neither_failed_nor_given_up(world: World) -> None:
    """Neither by the callback of an earlier message, nor because the session is older than a week."""
    session_id = world.upload()
    set_status(world, session_id, "FAILED")
    age(world, session_id, 8 * 24 * 3600)

    async def run() -> str | None:
        async with open_services(world.settings) as services:
            return await retry(session_id, services)

    world.providers.qstash.append(Reply(500, {"error": "no"}, times=2))
    assert "leave it to the next sweep" in (asyncio.run(run()) or "")
    world.providers.qstash.clear()
    made_at = int((time.time() - 30) * 1000)
    assert world.deliver_failure(session_id, status=500, createdAt=made_at).status_code == 200
    assert world.database.session(session_id)["status"] == "UPLOADED"
    shift(world, session_id, 3600)
    assert run_sweep(world.settings).published == 1


def test_sessions_refused_by_qstash_for_a_week_are_given_up(world: World) -> None:
    """By the first sweep after a week that is refused too, not before."""
    world.providers.qstash.append(Reply(400, {"error": "no"}, times=1000))
    session_id = world.upload()
    age(world, session_id, repair.GIVE_UP_AFTER_S - 900)
    ends: list[int] = []
    for _ in range(3):
        ends.append(run_sweep(world.settings).abandoned)
        shift(world, session_id, 600)

    assert ends == [0, 0, 1]
    row = world.database.session(session_id)
    assert (row["status"], row["errorMessage"]) == ("FAILED", repair.NEVER_PROCESSED)


@pytest.mark.parametrize("failure", [asyncio.CancelledError, RuntimeError])
def test_an_upload_whose_publish_is_interrupted_is_published_next(
    world: World, failure: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if other messages wait in flow control."""
    session_id = world.upload()
    world.providers.waiting = 3

    async def run() -> None:
        async with open_services(world.settings) as services:
            with suppress(failure):
                await publish(services, session_id)

    with publishing_fails(monkeypatch, failure):
        asyncio.run(run())
    age(world, session_id, 61)
    assert run_sweep(world.settings.model_copy(update={"qstash_flow_control_key": "speaking"})).published == 1


def test_a_concurrent_retry_is_not_overwritten(world: World) -> None:
    """A sweep records the outcome only for the version of the session that it took, not for a later retry."""
    session_id = world.upload()
    age(world, session_id, repair.GIVE_UP_AFTER_S + 3600)

    async def run() -> None:
        async with open_services(world.settings) as services:
            [taken] = await repair.take_backlog(services.database, lease_s=services.settings.processing_lease_seconds)
            await repair.reopen(services.database, session_id)
            await repair.mark_published(services.database, {session_id: taken.version})
            assert await repair.give_up_unpublished(services.database, {session_id: taken.version}) == 0

    asyncio.run(run())
    row = world.database.session(session_id)
    assert (row["status"], row["errorMessage"]) == ("UPLOADED", repair.NOT_REACHED)
