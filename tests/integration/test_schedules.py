"""Random schedules of deliveries, duplicates, retries, sweeps, deletions, lost workers and expired leases."""

import os
import threading
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from app.commands.retry import retry
from app.errors import NOT_AGAIN
from app.sessions import repair
from tests.integration.test_faults import LEASE_S, FaultyWorld, faulty
from tests.integration.test_fencing import ERRORS, wait_for
from tests.support.faults import Fault
from tests.support.providers import Reply

__all__ = ["faulty"]

MAX_SESSIONS = 4
MAX_LATE = 2
# Hanging deliveries are numbered from here, so that each has its own number.
LATE_ATTEMPTS = 100
USERS = ("ada", "bob")
ONE_SESSION = Counter({"grammar:Past tense": 3, "structure:So openers": 1})
KINDS = ("error_before", "error_after", "lose_worker_before", "lose_worker_after")
tried: Counter[str] = Counter()


class RandomSchedule(RuleBasedStateMachine):
    """A state machine with up to four sessions of two users, and everything that may happen to them."""

    there: FaultyWorld

    def __init__(self) -> None:
        super().__init__()
        self.sessions: dict[str, str] = {}
        self.expected: dict[str, Counter[str]] = {user: Counter() for user in USERS}
        self.round = 0
        # Sessions whose recording was permanently refused, and deliveries that hang.
        self.refused: set[str] = set()
        self.late: list[tuple[threading.Thread, Fault]] = []

    @initialize()
    def begin(self) -> None:
        """Start with empty tables and no planned faults."""
        self.there.world.database.clear()
        for key in self.there.world.storage.stored_keys():
            # Left by a failed schedule.
            self.there.world.storage.client().delete_object(Bucket=self.there.world.storage.bucket, Key=key)
        self.there.world.providers.reset()
        self.there.faults.planned.clear()
        self.there.faults.calls.clear()
        tried["schedules"] += 1

    @precondition(lambda self: len(self.sessions) < MAX_SESSIONS)
    @rule(user=st.sampled_from(USERS))
    def upload(self, user: str) -> None:
        """A learner uploads."""
        self.sessions[self.there.world.upload(user=user)] = user
        tried["uploads"] += 1

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), retried=st.integers(0, 3), kind=st.sampled_from((None, *KINDS)), at=st.integers(0, 7))
    def deliver(self, data: st.DataObject, retried: int, kind: str | None, at: int) -> None:
        """QStash delivers a message, for the first time or again, possibly with a fault."""
        session_id = self.pick(data)
        if kind:
            calls = len(self.there.faults.calls[session_id])
            self.there.faults.planned[session_id] = Fault(calls + at, kind)
        note(f"deliver {session_id} retried={retried} {kind}@{at}")
        self.there.world.deliver(session_id, retried)
        self.there.faults.planned.pop(session_id, None)
        tried[f"deliveries {kind or 'undisturbed'}"] += 1

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), hears=st.booleans())
    def refuse(self, data: st.DataObject, hears: bool) -> None:
        """The recording is permanently refused with 489; QStash may or may not receive the answer."""
        session_id = self.pick(data)
        self.there.world.providers.whisper.append(Reply(400, {"error": {"message": "x"}}))
        answer = self.there.world.deliver(session_id)
        self.there.world.providers.whisper.clear()
        if answer.status_code == 489:
            self.refused.add(session_id)
            if hears:
                self.there.world.deliver_failure(session_id, status=489)
        tried[f"refusals answered {answer.status_code}"] += 1

    @precondition(lambda self: self.sessions and len(self.late) < MAX_LATE)
    @rule(data=st.data(), at=st.integers(0, 7), error=st.sampled_from(sorted(ERRORS)))
    def hang(self, data: st.DataObject, at: int, error: str) -> None:
        """A delivery hangs at a call. It fails when it continues, whatever has happened in the meantime."""
        session_id = self.pick(data)
        self.round += 1
        retried = LATE_ATTEMPTS + self.round
        fault = Fault(at, "late", 60, ERRORS[error])
        self.there.faults.planned_for[session_id, retried + 1] = fault
        thread = threading.Thread(target=self.late_delivery, args=(session_id, retried))
        thread.start()
        wait_for(lambda: fault.fired or not thread.is_alive())
        if thread.is_alive():
            self.late.append((thread, fault))
        tried[f"hangs, then {error}"] += 1

    def late_delivery(self, session_id: str, retried: int) -> None:
        """A late delivery whose answer QStash receives: after a 489, it calls the failure callback."""
        if self.there.world.deliver(session_id, retried).status_code == 489:
            self.refused.add(session_id)
            self.there.world.deliver_failure(session_id, status=489)

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def wake(self, data: st.DataObject) -> None:
        """A hanging delivery continues and fails."""
        thread, fault = self.late.pop(data.draw(st.integers(0, len(self.late) - 1)))
        fault.released.set()
        thread.join(60)
        assert not thread.is_alive()
        tried["late failures"] += 1

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), status=st.sampled_from((500, 489)))
    def fail(self, data: st.DataObject, status: int) -> None:
        """QStash gives up on a message. A session that is being processed or retried keeps its recording."""
        session_id = self.pick(data)
        self.there.world.deliver_failure(session_id, status=status)
        tried["failure callbacks"] += 1

    @precondition(lambda self: self.sessions)
    @rule(data=st.data())
    def expire_leases(self, data: st.DataObject) -> None:
        """Time passes: leases expire, and uploads look undelivered."""
        seconds = repair.UNDELIVERED_AFTER_S + LEASE_S + repair.LEASE_MARGIN_S + 1
        self.there.world.database.execute(
            f'UPDATE speaking_sessions SET "updatedAt" = "updatedAt" - interval \'{seconds} seconds\' '
            f"WHERE id = '{self.pick(data)}'"
        )
        tried["lapses"] += 1

    @rule()
    def sweep(self) -> None:
        """The sweep runs, and its messages are delivered."""
        world = self.there.world
        world.providers.published.clear()
        assert world.signed("/api/internal/sweep", b"{}").status_code == 200
        for message in list(world.providers.published):
            world.signed("/api/internal/process", message["body"])
        tried["sweeps"] += 1

    @precondition(lambda self: self.sessions)
    @rule(data=st.data())
    def operator_retries(self, data: st.DataObject) -> None:
        """An operator reopens a failed session."""
        session_id = self.pick(data)
        self.there.faults.run(lambda services: retry(session_id, services))
        tried["operator retries"] += 1

    @precondition(lambda self: self.sessions)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """A learner deletes a session. Its contribution to the profile is kept."""
        session_id = self.pick(data)
        self.settle(session_id)
        user = self.sessions.pop(session_id)
        with self.there.world.client(user) as client:
            assert client.delete(f"/api/sessions/{session_id}").status_code == 200
        tried["deletions"] += 1

    def pick(self, data: st.DataObject) -> str:
        """One of the sessions."""
        return data.draw(st.sampled_from(sorted(self.sessions)))

    def settle(self, session_id: str) -> dict[str, Any]:
        """Add a DONE session to the expected profile, and return its row."""
        row = self.there.world.database.session(session_id)
        if row["status"] == "DONE":
            self.expected[self.sessions[session_id]] += ONE_SESSION
        return row

    def teardown(self) -> None:
        """Retry every session until it is DONE, then check all invariants."""
        world = self.there.world
        for thread, fault in self.late:
            fault.released.set()
            thread.join(60)
        self.there.faults.planned_for.clear()
        for session_id in self.sessions:
            self.expire_all_leases()
            for retried in range(1, 4):
                answer = world.deliver(session_id, retried)
                if answer.is_success or answer.status_code == 489:
                    break
                self.expire_all_leases()
            row = self.settle(session_id)
            if session_id in self.refused and row["status"] == "FAILED":
                # Its recording is deleted after the refusal; nothing else is left.
                assert row["errorMessage"].endswith(NOT_AGAIN), row
                world.deliver_failure(session_id, status=489)
                continue
            assert (row["status"], row["errorMessage"]) == ("DONE", None), row
            assert len(world.database.rows(f"SELECT id FROM transcripts WHERE \"sessionId\" = '{session_id}'")) == 1
            assert len(world.database.rows(f"SELECT id FROM insights WHERE \"sessionId\" = '{session_id}'")) == 2
        profiles = world.database.rows(
            'SELECT u."externalId" AS who, p.patterns FROM pattern_profiles p JOIN users u ON u.id = p."userId"'
        )
        found = {profile["who"].removeprefix("local-"): profile["patterns"] for profile in profiles}
        assert found == {user: dict(counts) for user, counts in self.expected.items() if counts}
        assert world.storage.stored_keys() == []

    def expire_all_leases(self) -> None:
        """Let every lease expire."""
        self.there.world.database.execute(
            f'UPDATE speaking_sessions SET "updatedAt" = "updatedAt" - interval \'{LEASE_S + 1} seconds\''
        )


def run_schedules(there: FaultyWorld, count: int, steps: int) -> None:
    """Run ``count`` random schedules of up to ``steps`` steps."""
    machine = type("RandomSchedule", (RandomSchedule,), {"there": there})
    there.world.providers.names_sessions = True
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=count, stateful_step_count=steps, deadline=None, database=None, print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        ),
    )  # fmt: skip


@pytest.mark.timeout(900)
@pytest.mark.thorough
@pytest.mark.parametrize("faulty", ["short"], indirect=True)
def test_invariants_hold_after_random_schedules(faulty: FaultyWorld) -> None:
    """In 100 schedules (make soak runs more), sessions are done once, counted once, and leave nothing behind."""
    run_schedules(faulty, 100, 10)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_soak(faulty: FaultyWorld) -> None:
    """The same for longer, printing what was tried. SOAK_SCHEDULES and SOAK_STEPS set the number."""
    run_schedules(faulty, int(os.environ.get("SOAK_SCHEDULES", "2000")), int(os.environ.get("SOAK_STEPS", "30")))
    print("\n" + "\n".join(f"{count:8} {what}" for what, count in sorted(tried.items())))
