"""A worker that outlives its lease, and fails or succeeds late while the session's new owner is at any step."""

import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest

from app.application import create_app
from app.errors import AGAIN, AppError, Permanent, Transient, Unavailable
from local.ports import LOOPBACK, free_port
from tests.conftest import make_settings
from tests.integration.test_faults import LEASE_S, FaultyWorld, faulty, places
from tests.support.faults import Fault, Faults
from tests.support.providers import Reply
from tests.support.serving import served
from tests.support.world import World

__all__ = ["faulty", "places"]

# The first worker continues while the new owner, which claimed the session after the lease, hangs at its step: after
# HANG_S if it succeeds, or as soon as the owner hangs if it fails.
HANG_S = LEASE_S + 1.5
RELEASED_S = 60.0
OWNER_HANG_S = LEASE_S - 0.2
AT_ONCE = 24
# The errors for a provider's answers: 5xx and 429, 4xx about the recording, and no answer.
ERRORS: dict[str, AppError] = {
    "transient": Transient("A fault was planned here"),
    "permanent": Permanent("A fault was planned here"),
    "unavailable": Unavailable("A fault was planned here"),
}


@dataclass(frozen=True)
class Race:
    """The first worker hangs at call ``first`` and then ends with ``late``; the owner hangs at its call ``owner``."""

    first: int
    owner: int
    late: str


def run(there: FaultyWorld, race: Race, name: str) -> list[str]:
    """Run one race and QStash's retries, and return the invariants that do not hold."""
    session_id = there.world.upload(user=name, content=there.content)
    if race.late == "success":
        late = Fault(race.first, "hang", HANG_S)
    else:
        late = Fault(race.first, "late", RELEASED_S, ERRORS[race.late])
    there.faults.planned_for[session_id, 1] = late
    there.faults.planned_for[session_id, 2] = step = Fault(race.owner, "hang", OWNER_HANG_S)

    def first() -> None:
        answer = there.attempt(session_id, 0, timeout_s=60)
        if answer is not None and answer.status_code == 489:
            # QStash believes that the message has failed permanently.
            there.world.deliver_failure(session_id, status=489)

    def owner() -> None:
        while _refused_for_now(there.attempt(session_id, 1, timeout_s=60)):
            time.sleep(0.1)

    threads = [threading.Thread(target=first), threading.Thread(target=owner)]
    threads[0].start()
    wait_for(lambda: late.fired)
    threads[1].start()
    # The first call is the claim, which may be refused; only from the second call on, the owner hangs.
    wait_for(lambda: (race.owner > 0 and step.fired) or not threads[1].is_alive())
    late.released.set()
    for thread in threads:
        thread.join()
    return there.settle(session_id, name)


def wait_for(holds: "object", limit_s: float = 60) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + limit_s
    while not holds():  # pyright: ignore[reportCallIssue, reportUnknownVariableType]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _refused_for_now(answer: httpx.Response | None) -> bool:
    return answer is not None and answer.status_code == 400 and "retry-after" in answer.headers


@pytest.mark.parametrize("faulty", ["short"], indirect=True)
@pytest.mark.parametrize("late", ["success", *ERRORS])
@pytest.mark.thorough
def test_late_worker_changes_nothing(faulty: FaultyWorld, places: list[str], late: str) -> None:
    """For every pair of calls, the session is DONE, everything is stored once, and no recording is lost or left."""
    races = [
        Race(first, owner, late)
        for first in range(len(places))
        for owner in range(len(places) + 1)
        if first or late == "unavailable"
    ]

    def one(race: Race) -> list[str]:
        return run(faulty, race, f"{late}-{race.first}-{places[race.first]}-{race.owner}")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        problems = [problem for found in pool.map(one, races) for problem in found]

    assert problems == []


def test_token_of_a_claim_is_its_own(world: World) -> None:
    """A later claim of a row has a later token, whatever the clock does."""
    session_id = world.upload()
    world.database.execute("UPDATE speaking_sessions SET \"updatedAt\" = now() + interval '1 hour'")
    before = world.database.session(session_id)["updatedAt"]
    world.providers.claude.append(Reply(500, {}, times=3))
    world.deliver(session_id)

    assert world.database.session(session_id)["updatedAt"] > before


@pytest.fixture
def short_deadline(world: World) -> Generator[World, None, None]:
    """An application whose deliveries have a deadline of one second."""
    port = free_port()
    settings = make_settings(world.database, world.storage, world.settings.qstash_url, f"http://{LOOPBACK}:{port}")
    with served(create_app(settings, Faults(timeout_s=1.0).opener()), port) as url:
        short_deadline = World(url, settings, world.database, world.storage, world.providers, world.keys)
        short_deadline.deliver(short_deadline.upload())  # imports the SDKs
        world.providers.reset()
        yield short_deadline


@pytest.mark.parametrize("step", ["whisper", "claude"])
def test_delivery_ends_at_its_deadline(short_deadline: World, step: str) -> None:
    """It fails like any transient failure, is answered at once, and nothing keeps running; a retry succeeds."""
    script = short_deadline.providers.whisper if step == "whisper" else short_deadline.providers.claude
    script.append(Reply(delay_s=4))
    session_id = short_deadline.upload()
    started = time.monotonic()
    answer = short_deadline.deliver(session_id)
    took_s = time.monotonic() - started

    assert answer.status_code == 500 and took_s < 3.5
    before = short_deadline.database.session(session_id)
    assert before["errorMessage"] == f"Processing took too long. {AGAIN}"
    wait_for(lambda: short_deadline.providers.hung_up)
    assert short_deadline.database.session(session_id) == before
    assert short_deadline.deliver(session_id, retried=1).status_code == 200
