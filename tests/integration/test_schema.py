"""The tables: made by the migration, exactly those of schema.prisma, and never touched where the Next.js side made them."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.database import client
from app.database.statements import LOADED
from app.sessions import checkpoints, claim, operator, owner, repair
from local.migrate import ROOT, migrate, node
from local.postgres import Postgres
from tests.support.world import Database

# Loading them fills LOADED.
assert all((client.SQL, checkpoints.SQL, claim.SQL, operator.SQL, owner.SQL, repair.SQL))


def schema_tool(command: str, url: str) -> subprocess.CompletedProcess[str]:
    """Run ``engine/schema.mjs``."""
    words = [node(), str(ROOT / "engine" / "schema.mjs"), command, url]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_a_migrated_database_does_not_drift(postgres: Postgres) -> None:
    """schema.prisma and migrations/ say the same."""
    url = postgres.create_database("drift")
    migrate(url)
    drift = schema_tool("drift", url)

    assert drift.returncode == 0, drift.stdout + drift.stderr


def test_drift_is_noticed(postgres: Postgres) -> None:
    """A column more, and the comparison says so."""
    url = postgres.create_database("drifted")
    migrate(url)
    postgres.psql("ALTER TABLE users ADD COLUMN extra text", "drifted")
    drift = schema_tool("drift", url)

    assert drift.returncode == 2 and "extra" in drift.stdout


def test_migrating_again_and_at_once_changes_nothing(postgres: Postgres) -> None:
    """Four at the same moment, then one more: the migration is recorded once, as Prisma Migrate records it."""
    url = postgres.create_database("migrations")
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(migrate, url) for _ in range(4)]:
            done.result()
    migrate(url)
    sql = (ROOT / "migrations/20260218000000_init/migration.sql").read_bytes()

    rows = postgres.psql(
        "SELECT migration_name, checksum = encode(sha256(convert_to($sql$" + sql.decode() + "$sql$, 'UTF8')), 'hex'), "
        "applied_steps_count, finished_at IS NOT NULL FROM _prisma_migrations",
        "migrations",
    )
    assert rows == "20260218000000_init|t|1|t"


def test_tables_of_another_maker_are_left_alone(postgres: Postgres) -> None:
    """A database that the Next.js application made is used as it is."""
    url = postgres.create_database("foreign_tables")
    postgres.psql((ROOT / "migrations/20260218000000_init/migration.sql").read_text(), "foreign_tables")
    migrate(url)

    assert postgres.psql("SELECT to_regclass('_prisma_migrations') IS NULL", "foreign_tables") == "t"


def test_the_tables_are_in_the_order_of_the_original(postgres: Postgres) -> None:
    """The contract's column order, which the detail answer shows."""
    url = postgres.create_database("columns")
    migrate(url)
    columns = postgres.psql(
        "SELECT string_agg(column_name, ' ' ORDER BY ordinal_position) FROM information_schema.columns "
        "WHERE table_name = 'speaking_sessions'",
        "columns",
    )

    assert columns == (
        "id userId status durationSecs language topic promptUsed audioUrl audioDeletedAt errorMessage focusNext "
        "createdAt updatedAt"
    )


@pytest.mark.parametrize("name", sorted(LOADED))
def test_every_statement_can_be_prepared(migrated: Database, name: str) -> None:
    """A renamed column or table fails here, without a path that runs the statement. And the engine prepares each."""
    assert re.match(r"(select|insert|update|delete|with)\b", LOADED[name].text, re.IGNORECASE)  # engine/src/pool.js
    migrated.execute(f"PREPARE checked AS {LOADED[name].text}")
