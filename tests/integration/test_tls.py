"""TLS to PostgreSQL, configured in the database URL like in libpq."""

from collections.abc import Generator

import pytest
from structlog.testing import capture_logs

from app.database.client import Database
from app.errors import Unavailable
from local.postgres import Postgres
from tests.support.debian import tls_postgres

pytestmark = pytest.mark.anyio

ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Postgres, None, None]:
    """A PostgreSQL that accepts only TLS, except for the database "plain"."""
    with tls_postgres(tmp_path_factory.mktemp("tls")) as server:
        yield server


def address(server: Postgres, query: str, *, database: str = "postgres", host: str = "localhost") -> str:
    """A URL of this server. ``ROOT`` in the query is replaced by the CA certificate."""
    authority = str(server.directory.parent / "ca.pem")
    return f"{server.url_of(database)}?{query.replace('ROOT', authority)}".replace("127.0.0.1", host)


async def encrypted(url: str) -> bool | str | None:
    """Whether the connection is encrypted, or the logged error code if there is none."""
    database = Database(url)
    with capture_logs() as logs:
        try:
            [row] = await database.write_rows(ENCRYPTED)
        except Unavailable:
            [failure] = [line for line in logs if line["event"] == "statement_failed"]
            return failure["code"]
        finally:
            await database.aclose()
    return row["ssl"]


@pytest.mark.parametrize(
    "query",
    [
        *("", "sslmode=prefer", "sslmode=allow", "sslmode=require", "sslmode=verify-ca&sslrootcert=ROOT"),
        *("sslmode=verify-full&sslrootcert=ROOT", "sslmode=require&sslcert=ROOT&sslaccept=strict"),
    ],
)
async def test_a_server_that_requires_tls_gets_it(server: Postgres, query: str) -> None:
    """Each mode except "disable" gives an encrypted connection."""
    assert await encrypted(address(server, query)) is True


async def test_only_verify_full_compares_the_servers_name(server: Postgres) -> None:
    """The certificate is for "localhost", not for 127.0.0.1."""
    assert await encrypted(address(server, "sslmode=verify-ca&sslrootcert=ROOT", host="127.0.0.1")) is True
    assert await encrypted(address(server, "sslmode=verify-full&sslrootcert=ROOT", host="127.0.0.1")) == "P1011"


@pytest.mark.parametrize("query", ["sslmode=verify-ca", "sslmode=verify-full", "sslmode=prefer&sslaccept=strict"])
async def test_an_unknown_authority_is_refused_as_a_tls_error(server: Postgres, query: str) -> None:
    """The log contains Prisma's code for TLS errors, not the one for an unreachable database."""
    assert await encrypted(address(server, query)) == "P1011"


async def test_prefer_goes_on_without_tls_where_that_is_refused(server: Postgres, postgres: Postgres) -> None:
    """If pg_hba.conf refuses TLS or the server does not support it; "require" does not fall back."""
    assert await encrypted(address(server, "sslmode=prefer", database="plain")) is False
    assert await encrypted(f"{postgres.url}?sslmode=prefer") is False
    assert await encrypted(f"{postgres.url}?sslmode=require") == "P1011"
    assert await encrypted(address(server, "sslmode=require", database="plain")) is not False


async def test_disable_means_no_tls(server: Postgres) -> None:
    """A server that requires TLS refuses the connection."""
    assert await encrypted(address(server, "sslmode=disable")) is not False
    assert await encrypted(address(server, "sslmode=disable", database="plain")) is False
