"""Orphaned recordings: objects in the bucket that no session needs are found and deleted, and no others."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace

import httpx
import pytest

from app.adapters.r2.storage import R2
from app.database.ids import new_cuid
from app.errors import MISCONFIGURED, Unavailable
from app.recordings import orphans
from app.recordings.orphans import Orphans, delete_orphans
from app.services import Services, open_services
from app.sessions import leftovers
from tests.integration.test_repair import age
from tests.support.world import AUDIO, World, with_settings


@asynccontextmanager
async def without_grace(world: World) -> AsyncGenerator[Services, None]:
    """The services, without the grace period for new objects."""
    async with open_services(world.settings) as services:
        yield with_settings(services, orphan_grace_seconds=-5)


def find_orphans(world: World, after: str = "", *, confirmed: bool = False) -> Orphans:
    """Search the bucket once."""

    async def run() -> Orphans:
        async with without_grace(world) as services:
            return await delete_orphans(services, after, confirmed=confirmed)

    return asyncio.run(run())


def put(world: World, key: str) -> None:
    """Store an object without the application."""
    world.storage.client().put_object(Bucket=world.storage.bucket, Key=key, Body=AUDIO, ContentType="audio/webm")


def put_orphans(world: World, count: int) -> list[str]:
    """Store objects of a known user but unknown sessions, and return their keys in the bucket's order."""
    user = user_of(world, world.upload())
    keys = sorted(f"sessions/{user}/{new_cuid()}/audio.webm" for _ in range(count))
    for key in keys:
        put(world, key)
    return keys


def refuse_to_delete(
    refused: str, monkeypatch: pytest.MonkeyPatch, before: Callable[[], object] = lambda: None
) -> None:
    """Make storage refuse to delete one object. ``before`` is called first."""
    delete = R2.delete

    async def delete_others(storage: R2, key: str) -> None:
        if key == refused:
            before()
            raise Unavailable
        await delete(storage, key)

    monkeypatch.setattr(R2, "delete", delete_others)


def user_of(world: World, session_id: str) -> str:
    """The owner of a session."""
    user: str = world.database.session(session_id)["userId"]
    return user


@pytest.mark.anyio
async def test_session_deleted_while_storage_was_down(world: World) -> None:
    """The row is deleted but the object is left in the bucket; the next sweep finds it."""
    session_id = world.upload()
    key = f"sessions/{user_of(world, session_id)}/{session_id}/audio.webm"
    world.database.execute(f"DELETE FROM speaking_sessions WHERE id = '{session_id}'")
    async with without_grace(world) as services:
        assert world.storage.stored_keys() == [key]
        assert await delete_orphans(services) == Orphans(deleted=1)
    assert world.storage.stored_keys() == []


def test_delete_with_storage_down_is_not_fatal(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is 200, the row is deleted, and the recording is left for the sweep."""
    session_id = world.upload()

    async def down(*_: object) -> int:
        raise Unavailable

    monkeypatch.setattr("app.adapters.r2.storage.R2.delete_prefix", down)
    with world.client() as client:
        assert client.delete(f"/api/sessions/{session_id}").status_code == 200
    monkeypatch.undo()

    assert len(world.storage.stored_keys()) == 1
    assert find_orphans(world).deleted == 1 and world.storage.stored_keys() == []


def test_signed_address_used_again(world: World) -> None:
    """A file that is uploaded again after DONE or DELETE is deleted."""
    sessions: list[str] = []
    for end in ("deliver", "delete"):
        with world.client() as client:
            wanted = {"size": len(AUDIO), "contentType": "audio/webm", "duration": 12.5}
            begun = client.post("/api/sessions", json=wanted).json()
            upload = begun["upload"]
            httpx.put(upload["url"], content=AUDIO, headers=upload["headers"], trust_env=False)
            assert client.post(f"/api/sessions/{begun['id']}/complete").status_code == 200
            if end == "deliver":
                assert world.deliver(begun["id"]).status_code == 200
            else:
                assert client.delete(f"/api/sessions/{begun['id']}").status_code == 200
        assert httpx.put(upload["url"], content=AUDIO, headers=upload["headers"], trust_env=False).status_code == 200
        sessions.append(begun["id"])

    assert len(world.storage.stored_keys()) == 2
    assert find_orphans(world).deleted == 2 and world.storage.stored_keys() == []


def test_recordings_that_may_still_be_processed_are_kept(world: World) -> None:
    """Recordings of sessions that may still be delivered or retried, and foreign keys, are kept."""
    sessions = {status: world.upload() for status in ("CREATED", "UPLOADED", "TRANSCRIBING", "ANALYZING", "FAILED")}
    for status, session_id in sessions.items():
        world.database.execute(
            f"UPDATE speaking_sessions SET status = '{status}', \"errorMessage\" = '{MISCONFIGURED}' "
            f"WHERE id = '{session_id}'"
        )
    user = user_of(world, sessions["CREATED"])
    for key in (f"sessions/{user}/notes.txt", "exports/1.webm", f"sessions/{user}/{new_cuid()}/audio.webm/more"):
        put(world, key)
    before = world.storage.stored_keys()

    assert find_orphans(world) == Orphans() and world.storage.stored_keys() == before


def test_new_objects_have_an_hours_grace(world: World) -> None:
    """An object that was just stored is not an orphan yet."""
    put(world, f"sessions/{user_of(world, world.upload())}/{new_cuid()}/audio.webm")

    assert world.signed("/api/internal/sweep", b"{}").json()["orphansDeleted"] == 0
    assert find_orphans(world).deleted == 1


@pytest.mark.parametrize("known_user", [True, False])
def test_shared_bucket_survives(world: World, known_user: bool, capfd: pytest.CaptureFixture[str]) -> None:
    """Many unknown objects belong to another database: none is deleted without an operator's confirmation."""
    own = user_of(world, world.upload())
    count = 101 if known_user else 3
    with ThreadPoolExecutor(8) as pool:
        keys = [f"sessions/{own if known_user else new_cuid()}/{new_cuid()}/audio.webm" for _ in range(count)]
        list(pool.map(put, [world] * count, keys))

    async def run() -> tuple[Orphans, Orphans, Orphans]:
        async with without_grace(world) as services:
            planned = await delete_orphans(services, dry_run=True)
            return planned, await delete_orphans(services), await delete_orphans(services, confirmed=True)

    planned, kept, confirmed = asyncio.run(run())
    assert (planned.keys, sorted(planned.kept_keys)) == ([], sorted(keys))
    assert kept == Orphans(kept=count) and confirmed == Orphans(deleted=count)
    assert "orphans_kept" in capfd.readouterr().out
    assert len(world.storage.stored_keys()) == 1


@pytest.mark.thorough
def test_race_with_uploads_and_deliveries(world: World) -> None:
    """Concurrent searches without a grace period never delete the recording of a session that is being processed."""
    with ThreadPoolExecutor(6) as pool:
        looks = [pool.submit(find_orphans, world) for _ in range(4)]
        sessions = list(pool.map(world.upload, [f"user-{n % 3}" for n in range(24)]))
        looks += [pool.submit(find_orphans, world) for _ in range(2)]
        answers = list(pool.map(world.deliver_until_quiet, sessions))

    assert {answer.status_code for answer in answers} == {200}
    assert [each.result().kept for each in looks] == [0] * len(looks) and world.storage.stored_keys() == []


def test_object_that_cannot_be_deleted_stops_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of three objects cannot be deleted, e.g. because storage has locked it."""
    [locked, *_] = put_orphans(world, 3)
    refuse_to_delete(locked, monkeypatch)
    assert find_orphans(world) == Orphans(deleted=2, kept=1)


def test_hanging_deletion_delays_the_search_by_one_object(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next search continues after that object, not after its whole page."""
    [hanging, *_] = put_orphans(world, 3)
    # As if SEARCH_TIMEOUT_S had passed in the meantime.
    late = partial(monkeypatch.setattr, orphans, "time", SimpleNamespace(time=time.time, monotonic=lambda: math.inf))
    refuse_to_delete(hanging, monkeypatch, late)
    first = find_orphans(world)
    monkeypatch.undo()
    assert (first.deleted, first.continue_after) == (0, hanging)
    assert find_orphans(world, hanging).deleted == 2


def test_leftover_that_cannot_be_deleted_stops_no_sweep(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row is marked as deleted, so the search for orphans finds it later."""
    session_id = world.upload()
    world.database.execute(f"UPDATE speaking_sessions SET status = 'FAILED' WHERE id = '{session_id}'")
    age(world, session_id, leftovers.FAILED_AUDIO_KEPT_S + 1)

    async def locked(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(R2, "delete", locked)
    assert world.signed("/api/internal/sweep", b"{}").status_code == 200
    monkeypatch.undo()
    assert find_orphans(world).deleted == 1


def test_search_continues_where_it_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that runs out of time returns the key to continue after, and the sweep schedules another run."""
    monkeypatch.setattr("app.adapters.r2.storage.KEYS_PER_PAGE", 2)
    monkeypatch.setattr("app.adapters.r2.s3.KEYS_PER_PAGE", 2)
    monkeypatch.setattr("app.recordings.orphans.SEARCH_TIMEOUT_S", -1)
    keys = put_orphans(world, 4)
    first = find_orphans(world)
    assert first.continue_after in world.storage.stored_keys() + keys
    assert find_orphans(world, first.continue_after or "").deleted + first.deleted >= 3

    assert world.signed("/api/internal/sweep", b'{"after": "\\ud800"}').status_code == 200
    world.providers.published.clear()
    world.signed("/api/internal/sweep", b"{}")
    [message] = world.providers.published
    assert message["url"].endswith("/api/internal/sweep") and b"after" in message["body"]
