"""The tables: created by the migration, equal to schema.prisma, and never changed if the Next.js side created them."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.database.statements import load_statements
from local.migrate import ROOT, migrate, node
from local.postgres import Postgres
from tests.support.world import MigratedDatabase

STATEMENTS = {
    f"{file.stem}.{name}": text
    for file in (ROOT / "app").rglob("*.sql")
    for name, text in load_statements(str(file)).items()
}


def schema_tool(command: str, url: str) -> subprocess.CompletedProcess[str]:
    """Run ``engine/schema.mjs``."""
    words = [node(), str(ROOT / "engine" / "schema.mjs"), command, url]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_a_migrated_database_does_not_drift(postgres: Postgres) -> None:
    """schema.prisma and migrations/ agree."""
    url = postgres.create_database("drift")
    migrate(url)
    drift = schema_tool("drift", url)

    assert drift.returncode == 0, drift.stdout + drift.stderr


def test_drift_is_noticed(postgres: Postgres) -> None:
    """The comparison reports an additional column."""
    url = postgres.create_database("drifted")
    migrate(url)
    postgres.psql("ALTER TABLE users ADD COLUMN extra text", "drifted")
    drift = schema_tool("drift", url)

    assert drift.returncode == 2 and "extra" in drift.stdout


def test_migrating_again_and_at_once_changes_nothing(postgres: Postgres) -> None:
    """After four concurrent migrations and another one, the migration is recorded once, like by Prisma Migrate."""
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


def test_tables_of_another_application_are_left_alone(postgres: Postgres) -> None:
    """A database created by the Next.js application is not changed."""
    url = postgres.create_database("foreign_tables")
    postgres.psql((ROOT / "migrations/20260218000000_init/migration.sql").read_text(), "foreign_tables")
    migrate(url)

    assert postgres.psql("SELECT to_regclass('_prisma_migrations') IS NULL", "foreign_tables") == "t"


def test_the_tables_are_in_the_order_of_the_original(postgres: Postgres) -> None:
    """The detail answer shows the columns in this order."""
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


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_every_statement_can_be_prepared(migrated: MigratedDatabase, name: str) -> None:
    """A renamed column or table fails here, even if no test runs the statement. And the engine can prepare each."""
    assert re.match(r"(select|insert|update|delete|with)\b", STATEMENTS[name], re.IGNORECASE)  # engine/src/pool.js
    migrated.execute(f"PREPARE checked AS {STATEMENTS[name]}")
