"""The query engine with a full Prisma client, including features that the service does not use."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# The client is generated while the test runs.

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from local.postgres import Postgres
from tests.support.engine_client import FIXTURES, generate_client

pytestmark = pytest.mark.anyio

MOMENT = datetime(2026, 2, 28, 23, 59, 58, 123000, tzinfo=UTC)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The generated client."""
    return generate_client(tmp_path_factory.mktemp("client"))


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> str:
    """A database with another time zone."""
    url = postgres.create_database("engine")
    postgres.psql((FIXTURES / "engine.sql").read_text(), "engine")
    postgres.psql("ALTER DATABASE engine SET timezone = 'Asia/Kathmandu'")
    return url


@pytest.fixture
async def db(generated: ModuleType, url: str, postgres: Postgres) -> AsyncGenerator[Any, None]:
    """A connected client on empty tables."""
    postgres.psql('TRUNCATE "Author", "Post", "Types" CASCADE', "engine")
    client = generated.Prisma(datasource={"url": url})
    await client.connect()
    yield client
    await client.disconnect()


async def test_every_type_comes_back_as_it_went_in(db: Any, generated: ModuleType) -> None:
    """Scalars keep their value and type, whatever the server's time zone."""
    data = {
        "id": 1,
        "big": 2**62,
        "real": 700.0,
        "exact": Decimal("12345678901234567890.123456789"),
        "flag": True,
        "at": MOMENT,
        "data": generated.Json({"a": [1, 2.5, None, "x y", {"b": "2026-01-01T00:00:00Z"}]}),
        "raw": generated.Base64.encode(b"\x00\xff"),
        "role": "ADMIN",
    }
    await db.types.create(data=data)
    row = await db.types.find_unique(where={"id": 1})

    assert (row.big, row.real, row.exact, row.flag, row.at) == (
        2**62, 700.0, data["exact"], True, MOMENT,
    )  # fmt: skip
    assert isinstance(row.real, float) and row.role == "ADMIN"
    assert row.data == {"a": [1, 2.5, None, "x y", {"b": "2026-01-01T00:00:00Z"}]}
    assert row.raw.decode() == b"\x00\xff"


async def test_lists_of_every_type(db: Any, generated: ModuleType) -> None:
    """Array columns of every scalar and of the enum."""
    lists = {
        "texts": ["a", 'b"{,}', ""], "ints": [1, -2], "bigs": [2**60], "floats": [1.0, 2.5], "flags": [True, False],
        "ats": [MOMENT], "jsons": [generated.Json({"k": 1}), generated.Json("text")], "roles": ["USER", "ADMIN"],
    }  # fmt: skip
    await db.types.create(data={"id": 1, **lists, "blobs": [generated.Base64.encode(b"x")]})
    row = await db.types.find_unique(where={"id": 1})

    assert {name: getattr(row, name) for name in lists if name != "jsons"} == {
        name: value for name, value in lists.items() if name != "jsons"
    }
    assert row.jsons == [{"k": 1}, "text"]


async def test_null_and_json_null_differ(db: Any, generated: ModuleType) -> None:
    """A column without a value is None; JSON null is stored as JSON."""
    await db.types.create(data={"id": 1})
    await db.types.create(data={"id": 2, "data": generated.Json(None)})
    rows = await db.query_raw('SELECT id, data IS NULL AS absent, data::text AS text FROM "Types" ORDER BY id')

    assert rows == [{"id": 1, "absent": True, "text": None}, {"id": 2, "absent": False, "text": "null"}]


async def test_relations(db: Any) -> None:
    """Nested create, include with filter and order, nested update, cascade."""
    author = await db.author.create(
        data={"email": "a@example.com", "posts": {"create": [{"title": f"t{n}", "views": n} for n in range(4)]}},
        include={"posts": {"order_by": {"views": "desc"}, "take": 2}},
    )
    assert [post.title for post in author.posts] == ["t3", "t2"]
    found = await db.author.find_many(where={"posts": {"some": {"views": {"gt": 2}}}, "role": "USER"})
    assert [each.id for each in found] == [author.id]
    updated = await db.author.update(
        where={"id": author.id},
        data={"posts": {"update": [{"where": {"id": author.posts[0].id}, "data": {"views": {"increment": 5}}}]}},
        include={"posts": {"order_by": {"id": "asc"}}},
    )
    assert updated.posts[-1].views == 8
    await db.author.delete(where={"id": author.id})

    assert await db.post.count() == 0


async def test_aggregates_pages_and_bulk(db: Any) -> None:
    """Count, group, cursor, distinct, upsert and bulk operations."""
    author = await db.author.create(data={"email": "a@example.com"})
    count = await db.post.create_many(
        data=[{"title": f"t{n}", "views": n % 3, "authorId": author.id} for n in range(9)] * 2, skip_duplicates=True
    )
    assert count == 9
    groups = await db.post.group_by(["views"], count=True, sum={"views": True}, order={"views": "asc"})
    sums = [(group["views"], group["_count"]["_all"], group["_sum"]["views"]) for group in groups]
    assert sums == [(0, 3, 0), (1, 3, 3), (2, 3, 6)]
    cursor = {"title_authorId": {"title": "t3", "authorId": author.id}}
    page = await db.post.find_many(order={"title": "asc"}, take=2, skip=1, cursor=cursor)
    assert [post.title for post in page] == ["t4", "t5"]
    upserted = await db.author.upsert(
        where={"email": "a@example.com"}, data={"create": {"email": "x@example.com"}, "update": {"name": "A"}}
    )
    assert (upserted.id, upserted.name) == (author.id, "A")
    assert await db.post.update_many(where={"views": 2}, data={"views": 7}) == 3

    assert await db.post.delete_many(where={"NOT": [{"views": 7}]}) == 6


async def test_raw_queries(db: Any) -> None:
    """Parameters, enums, dates, numbers, JSON and NULL through raw SQL."""
    [row] = await db.query_raw(
        """SELECT $1::text AS text, $2::int AS int, 'ADMIN'::"Role" AS role, '{"a": [1]}'::jsonb AS json, NULL AS nothing,
           true AS flag, 2::bigint AS big, 2.5::float8 AS float""",
        "quote'\"",
        3,
    )
    assert row == {
        "text": "quote'\"" if row["text"].count(" ") == 0 else None, "int": 3, "role": "ADMIN", "json": {"a": [1]},
        "nothing": None, "flag": True, "big": row["big"], "float": 2.5,
    }  # fmt: skip
    assert int(row["big"]) == 2

    assert await db.execute_raw('INSERT INTO "Author" (id, email) VALUES ($1, $2)', "1", "e") == 1


async def test_errors_have_their_prisma_names(db: Any, generated: ModuleType) -> None:
    """Unique violation, foreign key violation, missing record and syntax error are distinguished."""
    await db.author.create(data={"email": "a@example.com"})
    with pytest.raises(generated.errors.UniqueViolationError):
        await db.author.create(data={"email": "a@example.com"})
    with pytest.raises(generated.errors.ForeignKeyViolationError):
        await db.post.create(data={"title": "t", "authorId": "nobody"})
    assert await db.post.update(where={"id": 99}, data={"views": 1}) is None
    with pytest.raises(generated.errors.RawQueryError):
        await db.query_raw("SELEC 1")

    assert await db.author.count() == 1


async def test_transactions_commit_and_roll_back(db: Any) -> None:
    """A transaction is visible to others only after its commit, and never if it fails."""
    async with db.tx() as transaction:
        await transaction.author.create(data={"email": "in"})
        assert await db.author.count() == 0
    assert await db.author.count() == 1
    with pytest.raises(ZeroDivisionError):
        async with db.tx() as transaction:
            await transaction.author.create(data={"email": "out"})
            raise ZeroDivisionError
    async with db.batch_() as batch:
        batch.author.create(data={"email": "b1"})
        batch.author.create(data={"email": "b2"})

    assert {author.email for author in await db.author.find_many()} == {"in", "b1", "b2"}


async def test_a_transaction_ends_at_its_time_limit(db: Any, generated: ModuleType) -> None:
    """An abandoned transaction releases its locks."""
    with pytest.raises(generated.errors.PrismaError):
        async with db.tx(timeout=timedelta(milliseconds=150)) as transaction:
            await transaction.author.create(data={"email": "late"})
            while True:
                await asyncio.sleep(0.05)
                await transaction.author.count()

    assert await db.author.count() == 0


async def test_a_full_pool_is_an_error_in_time(generated: ModuleType, url: str) -> None:
    """If the only connection is busy, the second query fails with P2024 instead of waiting forever."""
    async with generated.Prisma(datasource={"url": f"{url}?connection_limit=1&pool_timeout=1"}) as client:
        slow = asyncio.create_task(client.query_raw("SELECT pg_sleep(2)::text AS done"))
        await asyncio.sleep(0.2)
        with pytest.raises(generated.errors.PrismaError) as refused:
            await client.query_raw("SELECT 1 AS one")
        await slow

    assert getattr(refused.value, "code", None) == "P2024"


async def test_a_schema_other_than_public(generated: ModuleType, url: str, postgres: Postgres) -> None:
    """``?schema=`` selects the schema of the tables."""
    postgres.psql("DROP SCHEMA IF EXISTS other CASCADE; CREATE SCHEMA other", "engine")
    postgres.psql("SET search_path = other; " + (FIXTURES / "engine.sql").read_text(), "engine")
    async with generated.Prisma(datasource={"url": f"{url}?schema=other"}) as client:
        await client.author.create(data={"email": "elsewhere"})
        [row] = await client.query_raw("SELECT current_schema() AS name")

    assert row == {"name": "other"}
    assert postgres.psql('SELECT email FROM other."Author"', "engine") == "elsewhere"
