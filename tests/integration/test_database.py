"""The database client when its engine is killed, hangs, is replaced, or is cancelled during startup."""

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
from app.errors import Unavailable
from local.migrate import ROOT
from local.ports import LOOPBACK, accepts, free_port
from tests.support.processes import engines, own_engines, port_of
from tests.support.world import MigratedDatabase

pytestmark = pytest.mark.anyio

ONE = "SELECT 1 AS one"
SLOW = "SELECT pg_sleep($1::int)::text AS done"
ECHO = "SELECT $1::text AS text"


@pytest.fixture
async def database(migrated: MigratedDatabase) -> AsyncGenerator[Database, None]:
    """A connected database client. No engine may be left at the end."""
    before = own_engines()
    database = Database(migrated.url)
    await database.read_rows(ONE)
    yield database
    await database.aclose()
    assert set(own_engines()) <= set(before)


@pytest.fixture
def others() -> set[int]:
    """The engines of this process that existed before the test."""
    return set(own_engines())


async def until(condition: Callable[[], bool], what: str, timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


async def test_a_read_is_repeated_on_a_new_engine(others: set[int], database: Database) -> None:
    """After the engine is killed, a read succeeds; a write fails, and the next one succeeds."""
    [pid] = set(own_engines()) - others
    os.kill(pid, signal.SIGKILL)

    assert await database.read_rows(ONE) == [{"one": 1}]
    [pid] = set(own_engines()) - others
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(Unavailable):
        await database.write_rows(ONE)
    assert await database.write_rows(ONE) == [{"one": 1}]


async def test_an_engine_killed_under_many_statements_cancels_none(others: set[int], database: Database) -> None:
    """Each fails as unavailable. None ends in CancelledError, because nobody cancelled it."""
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
    """The engine is stopped, not dead: the first statements fail at the time limit, and later ones get a new engine."""
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
    """Without other traffic, it fails within two seconds, and succeeds again once the engine has been replaced."""
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
    """If PostgreSQL is slow but the engine answers, the engine is kept, and the other statements with it."""
    other = asyncio.create_task(database.read_rows(SLOW, 2))
    await asyncio.sleep(0.2)
    before = own_engines()
    monkeypatch.setattr(engine_module, "STATEMENT_TIMEOUT_S", 0.5)
    with pytest.raises(Unavailable):
        await database.write_rows(SLOW, 3)

    assert own_engines() == before
    assert await other == [{"done": ""}]


async def test_cancelled_while_it_starts_it_leaves_nothing(others: set[int], migrated: MigratedDatabase) -> None:
    """At any point of startup: no process and no session is left, and no other caller is cancelled."""
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
    others: set[int], migrated: MigratedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an invalid TLS mode the engine refuses to start, and the statement fails in time."""
    monkeypatch.setattr(engine_module, "START_TIMEOUT_S", 2.0)
    database = Database(f"{migrated.url}?sslmode=requird")
    with pytest.raises(Unavailable):
        await database.read_rows(ONE)
    await database.aclose()

    assert set(own_engines()) <= others


async def test_a_foreign_engine_gets_no_statement(
    others: set[int], migrated: MigratedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If another program has taken the chosen port, it gets no statement, even if it would answer."""
    port = free_port()
    command = [str(ROOT / "engine" / "query-engine"), "-p", str(port), "--enable-raw-queries"]
    shell = ["sh", "-c", '"$@" & wait', "sh", *command]
    env = {**os.environ, "PRISMA_DML_PATH": str(ROOT / "schema.prisma"), "DATABASE_URL": migrated.url}
    with subprocess.Popen(shell, env=env) as other:  # noqa: ASYNC220  # does not block: nothing is awaited
        try:
            await until(lambda: accepts(port), "the other engine did not start")
            monkeypatch.setattr(engine_module, "START_TIMEOUT_S", 2.0)
            monkeypatch.setattr(import_module("prisma.engine.utils"), "get_open_port", lambda: port)
            database = Database(migrated.url)
            with pytest.raises(Unavailable):
                await database.read_rows(ONE)
            await database.aclose()
        finally:
            for pid in engines(port=port):
                os.kill(pid, signal.SIGKILL)
            other.wait()

    assert set(own_engines()) <= others


async def test_other_users_of_the_machine_are_refused(others: set[int], database: Database) -> None:
    """Every user of the machine can reach the port, but the engine answers only its own client."""
    httpx: Any = import_module("httpx")
    [pid] = set(own_engines()) - others
    url = f"http://{LOOPBACK}:{port_of(pid)}"
    query = {"query": 'mutation { queryRaw(query: "SELECT 1", parameters: "[]") }'}
    async with httpx.AsyncClient(trust_env=False) as client:
        answers = [await client.post(url, json=query), await client.get(f"{url}/status")]

    assert [answer.status_code for answer in answers] == [401, 401]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
async def test_prisma_changes_line_separators(database: Database, separator: str) -> None:
    """Prisma inserts spaces after these characters, which is why all text goes through app.text.storable."""
    [row] = await database.read_rows(ECHO, f"a{separator}b")
    [plain] = await database.read_rows(ECHO, "a\nb")

    assert row["text"] != f"a{separator}b" and row["text"].replace(" ", "") == f"a{separator}b"
    assert plain["text"] == "a\nb"


def test_engines_started_concurrently_all_get_their_variables() -> None:
    """The first to finish does not remove the variables of another thread's engine; in the end, none is left."""
    variables = engine_module._engine_variables  # pyright: ignore[reportPrivateUsage]
    names = {"PRISMA_ENGINE_TOKEN", "PRISMA_ENGINE_PARENT"}
    first, second = variables(), variables()
    with second:
        with first:
            pass
        assert names <= set(os.environ)
    assert not names & set(os.environ)
