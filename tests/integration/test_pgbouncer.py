"""The engine behind PgBouncer in transaction mode, where each transaction may use a different session."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

from local.postgres import Postgres
from tests.support.debian import pgbouncer, require_program
from tests.support.engine_client import FIXTURES, generate_client

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# The client is generated while the test runs.

pytestmark = pytest.mark.anyio

MOMENT = datetime(2026, 2, 28, 23, 59, 58, 123000, tzinfo=UTC)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The generated client."""
    return generate_client(tmp_path_factory.mktemp("client"))


@pytest.fixture(scope="module")
def url(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Generator[str, None, None]:
    """A database behind PgBouncer, in another time zone, with the tables in two schemas."""
    postgres.create_database("bounced")
    tables = (FIXTURES / "engine.sql").read_text()
    postgres.psql(tables, "bounced")
    postgres.psql("CREATE SCHEMA \"the other\"; SET search_path = 'the other'; " + tables, "bounced")
    postgres.psql("ALTER DATABASE bounced SET timezone = 'Asia/Kathmandu'")
    with pgbouncer(tmp_path_factory.mktemp("pgbouncer"), postgres) as port:
        yield f"{postgres.url_of('bounced')}?pgbouncer=true".replace(f":{postgres.port}", f":{port}")


@pytest.fixture
async def db(generated: ModuleType, url: str) -> AsyncGenerator[Any, None]:
    """A connected client."""
    async with generated.Prisma(datasource={"url": url}) as client:
        yield client
        await client.author.delete_many()
        await client.types.delete_many()


async def test_models_transactions_and_raw_queries_work(db: Any) -> None:
    """With many concurrent queries over three sessions, no prepared statement is expected in another session."""

    async def write(number: int) -> None:
        async with db.tx(max_wait=timedelta(seconds=20), timeout=timedelta(seconds=20)) as transaction:
            author = await transaction.author.create(data={"email": f"{number}"})
            await transaction.post.create(data={"title": "t", "authorId": author.id})

    await asyncio.gather(*(write(number) for number in range(20)))
    counts = await asyncio.gather(*(db.query_raw('SELECT count(*)::int AS n FROM "Author"') for _ in range(40)))

    assert counts == [[{"n": 20}]] * 40
    assert await db.author.count(where={"posts": {"some": {"title": "t"}}}) == 20
    assert len(await db.author.find_many(include={"posts": True}, where={"email": {"in": ["1", "2"]}})) == 2


async def test_moments_stay_where_they_are(db: Any, url: str) -> None:
    """Our sessions are always in UTC, even after another client has changed the time zone of a server connection."""
    await db.types.create(data={"id": 1, "at": MOMENT})
    for zone in ("America/Caracas", "Asia/Kathmandu"):
        plain = url.partition("?")[0]
        command = [
            require_program(shutil.which("psql"), "postgresql-client"),
            "-X",
            "-q",
            "-d",
            plain,
            "-c",
            f"SET timezone = '{zone}'",
            "-c",
            "SELECT now()",
        ]
        await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
        rows = await asyncio.gather(*(db.types.find_unique(where={"id": 1}) for _ in range(10)))
        zones = await asyncio.gather(*(db.query_raw("SELECT current_setting('TimeZone') AS zone") for _ in range(10)))

        assert {row.at for row in rows} == {MOMENT}
        assert zones == [[{"zone": "UTC"}]] * 10


async def test_a_named_schema_applies_to_raw_queries_and_does_not_leak(
    generated: ModuleType, db: Any, url: str
) -> None:
    """It is set in each transaction, so a client without a schema that shares the sessions is not affected."""
    async with generated.Prisma(datasource={"url": f"{url}&schema=the%20other"}) as other:
        await other.author.create(data={"email": "there"})
        for _ in range(5):
            results = await asyncio.gather(
                *(
                    client.query_raw('SELECT current_schema() AS s, count(*)::int AS n FROM "Author"')
                    for client in (other, db)
                )
            )
            assert results == [[{"s": "the other", "n": 1}], [{"s": "public", "n": 0}]]
        async with other.tx() as transaction:
            assert await transaction.query_raw('SELECT count(*)::int AS n FROM "Author"') == [{"n": 1}]
        with pytest.raises(generated.errors.RawQueryError):
            await other.query_raw("SELECT 1/0")
        assert await other.author.delete_many() == 1
