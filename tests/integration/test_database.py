"""The connection to PostgreSQL, with its engine killed, hung, replaced by a stranger, or given up while it starts."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncGenerator, Callable
from importlib import import_module
from typing import Any

import pytest

from app.database import engine as engine_module
from app.database.client import Database
from app.database.statements import Statement
from app.errors import Conflict, Unavailable
from local.migrate import ROOT
from local.ports import LOOPBACK, accepts, free_port
from tests.support.processes import engines, own_engines, port_of
from tests.support.world import Database as Tables

pytestmark = pytest.mark.anyio

ONE = Statement("one", "SELECT 1 AS one")
SLOW = Statement("slow", "SELECT pg_sleep($1::int)::text AS done")
ECHO = Statement("echo", "SELECT $1::text AS text")


@pytest.fixture
async def database(migrated: Tables) -> AsyncGenerator[Database, None]:
    """A connection that has answered once. No engine of it is left at the end."""
    before = own_engines()
    database = Database(migrated.url)
    await database.read_rows(ONE)
    yield database
    await database.aclose()
    assert set(own_engines()) <= set(before)


@pytest.fixture
def others() -> set[int]:
    """The engines of this process that are not the test's."""
    return set(own_engines())


async def until(condition: Callable[[], bool], what: str, timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


async def test_a_read_is_repeated_on_a_new_engine(others: set[int], database: Database) -> None:
    """A read does not notice that the engine was killed; a write fails, and the next one works."""
    [pid] = set(own_engines()) - others
    os.kill(pid, signal.SIGKILL)

    assert await database.read_rows(ONE) == [{"one": 1}]
    [pid] = set(own_engines()) - others
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(Unavailable):
        await database.write_rows(ONE)
    assert await database.write_rows(ONE) == [{"one": 1}]


async def test_an_engine_killed_under_many_statements_cancels_none(others: set[int], database: Database) -> None:
    """Each is told that the database is not available: none ends in CancelledError, for nobody cancelled it."""
    statements = [asyncio.create_task(database.write_rows(SLOW, 20)) for _ in range(150)]
    await asyncio.sleep(0.3)
    [pid] = set(own_engines()) - others
    os.kill(pid, signal.SIGKILL)
    results = await asyncio.gather(*statements, return_exceptions=True)

    assert {type(result).__name__ for result in results} == {"EngineLost"}
    assert await database.write_rows(ONE) == [{"one": 1}]


async def test_a_hung_engine_is_replaced_after_one_statement(
    others: set[int], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stopped, not dead: the first statement fails at its time limit, what comes then has a new engine."""
    monkeypatch.setattr(engine_module, "STATEMENT_TIMEOUT_S", 1.0)
    [pid] = set(own_engines()) - others
    os.kill(pid, signal.SIGSTOP)
    results = await asyncio.gather(*(database.write_rows(ONE) for _ in range(5)), return_exceptions=True)
    monkeypatch.undo()

    assert {type(result).__name__ for result in results} == {"EngineLost"}
    assert await database.write_rows(ONE) == [{"one": 1}]
    await until(lambda: pid not in own_engines(), "the hung engine is still there")


async def test_readiness_answers_in_time_and_finds_a_hung_engine(
    others: set[int], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked alone, without any traffic, it says no within two seconds, and yes again once the engine has been replaced."""
    monkeypatch.setattr(engine_module, "STATEMENT_TIMEOUT_S", 3.0)
    [pid] = set(own_engines()) - others
    os.kill(pid, signal.SIGSTOP)
    took: list[float] = []
    while True:
        started = time.monotonic()
        try:
            await database.ready()
            break
        except Unavailable:
            took.append(time.monotonic() - started)
            assert len(took) < 20

    assert took and max(took) < 2
    assert pid not in engines()


async def test_a_slow_statement_does_not_cost_the_engine(
    others: set[int], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time limit passes because PostgreSQL is slow: the engine answers, so it stays, and the other statements with it."""
    other = asyncio.create_task(database.read_rows(SLOW, 2))
    await asyncio.sleep(0.2)
    before = own_engines()
    monkeypatch.setattr(engine_module, "STATEMENT_TIMEOUT_S", 0.5)
    with pytest.raises(Unavailable):
        await database.write_rows(SLOW, 3)

    assert own_engines() == before
    assert await other == [{"done": ""}]


async def test_cancelled_while_it_starts_it_leaves_nothing(others: set[int], migrated: Tables) -> None:
    """At any moment of the start: no process, no open session, and nobody else's wait is cancelled."""
    for delay_s in (0.0, 0.02, 0.1, 0.2, 0.3):
        database = Database(migrated.url)
        waiting = [asyncio.create_task(database.read_rows(ONE)) for _ in range(2)]
        await asyncio.sleep(delay_s)
        waiting[0].cancel()
        await asyncio.sleep(0)
        await database.aclose()
        results = await asyncio.gather(*waiting, return_exceptions=True)

        assert isinstance(results[0], asyncio.CancelledError)
        assert results[1] == [{"one": 1}] or isinstance(results[1], Unavailable)
        assert set(own_engines()) <= others
        with pytest.raises(Unavailable):
            await database.read_rows(ONE)


async def test_an_engine_that_cannot_start_leaves_nothing(
    others: set[int], migrated: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mode of TLS that does not exist: the engine refuses it, and the statement is told in time."""
    monkeypatch.setattr(engine_module, "START_TIMEOUT_S", 2.0)
    database = Database(f"{migrated.url}?sslmode=requird")
    with pytest.raises(Unavailable):
        await database.read_rows(ONE)
    await database.aclose()

    assert set(own_engines()) <= others


async def test_a_strangers_engine_is_not_spoken_to(
    others: set[int], migrated: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program took the port since it was chosen: it gets no statement, though it would answer."""
    port = free_port()
    command = [str(ROOT / "engine" / "query-engine"), "-p", str(port), "--enable-raw-queries"]
    shell = ["sh", "-c", '"$@" & wait', "sh", *command]
    env = {**os.environ, "PRISMA_DML_PATH": str(ROOT / "schema.prisma"), "DATABASE_URL": migrated.url}
    with subprocess.Popen(shell, env=env) as stranger:  # noqa: ASYNC220  # it does not block: nothing is waited for
        try:
            await until(lambda: accepts(port), "the stranger did not start")
            monkeypatch.setattr(engine_module, "START_TIMEOUT_S", 2.0)
            monkeypatch.setattr(import_module("prisma.engine.utils"), "get_open_port", lambda: port)
            database = Database(migrated.url)
            with pytest.raises(Unavailable):
                await database.read_rows(ONE)
            await database.aclose()
        finally:
            for pid in engines(port=port):
                os.kill(pid, signal.SIGKILL)
            stranger.wait()

    assert set(own_engines()) <= others


async def test_another_user_of_the_machine_cannot_ask(others: set[int], database: Database) -> None:
    """The port is open to all, but the engine answers only its client."""
    httpx: Any = import_module("httpx")
    [pid] = set(own_engines()) - others
    url = f"http://{LOOPBACK}:{port_of(pid)}"
    query = {"query": 'mutation { queryRaw(query: "SELECT 1", parameters: "[]") }'}
    async with httpx.AsyncClient(trust_env=False) as client:
        answers = [await client.post(url, json=query), await client.get(f"{url}/status")]

    assert [answer.status_code for answer in answers] == [401, 401]


async def test_a_constraint_is_told_from_an_outage(database: Database) -> None:
    """A second row with a unique value is Conflict; nothing of PostgreSQL's own words is in it."""
    user = {"id": "c-conflict", "externalId": "conflict"}
    await database.write(lambda client: client.user.delete_many(where={"externalId": "conflict"}))
    await database.write(lambda client: client.user.create(data=user))  # pyright: ignore[reportArgumentType]
    with pytest.raises(Conflict) as conflict:
        await database.write(lambda client: client.user.create(data=user))  # pyright: ignore[reportArgumentType]
    await database.write(lambda client: client.user.delete_many(where={"externalId": "conflict"}))

    assert "externalId" not in str(conflict.value) and conflict.value.__cause__ is None


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
async def test_what_prisma_does_to_line_separators(database: Database, separator: str) -> None:
    """Why all text goes through app.text.storable: spaces appear behind these, in raw parameters as in typed calls."""
    [row] = await database.read_rows(ECHO, f"a{separator}b")
    [plain] = await database.read_rows(ECHO, "a\nb")

    assert row["text"] != f"a{separator}b" and row["text"].replace(" ", "") == f"a{separator}b"
    assert plain["text"] == "a\nb"


def test_engines_that_start_at_once_are_all_told() -> None:
    """Whichever is ready first takes nothing from one that another thread is starting; nothing stays in the environment."""
    told = engine_module._engine_variables  # pyright: ignore[reportPrivateUsage]
    names = {"PRISMA_ENGINE_TOKEN", "PRISMA_ENGINE_PARENT"}
    first, second = told(), told()
    with second:
        with first:
            pass
        assert names <= set(os.environ)
    assert not names & set(os.environ)
