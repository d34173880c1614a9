"""Exported settings reach the local stack only on request, and the local database is protected."""

import subprocess
from pathlib import Path

import pytest

from local.environment import StackError
from local.exported_settings import REQUESTED, confirm_database, filter_environment
from local.migrate import migrate
from local.postgres import Postgres

EXPORTED = {"DATABASE_URL": "postgresql://production", "OPENAI_API_KEY": "sk-own", "PATH": "/bin", "PORT": "3000"}


def test_exported_settings_are_removed(tmp_path: Path) -> None:
    """An exported DATABASE_URL may be the production one. Variables that are not settings are kept."""
    environment = dict(EXPORTED)
    ignored = filter_environment(environment, everything=False, file=tmp_path / "none")

    assert ignored == ["DATABASE_URL", "OPENAI_API_KEY"]
    assert environment == {"PATH": "/bin", "PORT": "3000"}


def test_requested_settings_are_kept(tmp_path: Path) -> None:
    """Settings named on make's command line, or all of them."""
    named = {**EXPORTED, REQUESTED: "PORT OPENAI_API_KEY AUDIO"}
    everything = dict(EXPORTED)

    assert filter_environment(named, everything=False, file=tmp_path / "none") == ["DATABASE_URL"]
    assert "OPENAI_API_KEY" in named
    assert filter_environment(everything, everything=True, file=tmp_path / "none") == []
    assert everything == EXPORTED


def test_the_file_counts_and_the_command_line_wins(tmp_path: Path) -> None:
    """.env.local overrides exported settings, and the command line overrides .env.local."""
    file = tmp_path / ".env.local"
    file.write_text("ANTHROPIC_API_KEY=sk-ant-file\nOPENAI_API_KEY=sk-file\nDATABASE_URL=\n")
    environment = {**EXPORTED, REQUESTED: "OPENAI_API_KEY"}
    filter_environment(environment, everything=False, file=file)

    assert (environment["ANTHROPIC_API_KEY"], environment["OPENAI_API_KEY"]) == ("sk-ant-file", "sk-own")
    assert "DATABASE_URL" not in environment


def test_a_non_empty_database_needs_confirmation(postgres: Postgres, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name is printed, but not its password, and nothing is changed without confirmation."""
    url = postgres.create_database("foreign")
    postgres.psql("CREATE TABLE precious (id int)", "foreign")
    with pytest.raises(StackError, match="is not empty"):
        confirm_database(f"{url}?schema=public&connection_limit=5", yes=False)
    confirm_database(url, yes=True)

    printed = capsys.readouterr().out
    assert "using the database 'foreign' on 127.0.0.1" in printed and url.split(":")[2].split("@")[0] not in printed
    assert postgres.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", "foreign") == "1"


def test_an_empty_or_migrated_database_needs_no_confirmation(postgres: Postgres) -> None:
    """Neither the first nor the second run asks."""
    url = postgres.create_database("welcome")
    confirm_database(url, yes=False)
    migrate(url)

    confirm_database(url, yes=False)


def test_an_unreachable_database_is_a_clear_error() -> None:
    """The error contains no traceback and no password."""
    with pytest.raises(StackError, match="does not answer") as caught:
        confirm_database("postgresql://user:canary@127.0.0.1:9/name", yes=False)

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_read_file('/etc/passwd')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "COPY (SELECT 1) TO '/tmp/x'",
        "CREATE ROLE other SUPERUSER",
    ],
)
def test_the_applications_role_is_not_a_superuser(postgres: Postgres, statement: str) -> None:
    """An injected statement could not affect anything outside its own database."""
    url = postgres.create_database("bounded")
    done = subprocess.run([*psql(), "-d", url, "-c", statement], capture_output=True, text=True, check=False)

    assert done.returncode != 0 and "ermission denied" in done.stderr


def test_a_password_is_required(postgres: Postgres) -> None:
    """Because other users of the machine can reach the port too."""
    for role in ("local", "speaking"):
        url = f"postgresql://{role}@127.0.0.1:{postgres.port}/postgres"
        done = subprocess.run([*psql(), "-w", "-d", url, "-c", "SELECT 1"], capture_output=True, text=True, check=False)
        assert done.returncode != 0 and "no password supplied" in done.stderr


def test_a_second_server_in_the_same_folder_is_refused(postgres: Postgres) -> None:
    """The lock file of a running server is left alone."""
    with pytest.raises(RuntimeError, match="stop the command that started it"):
        Postgres(postgres.directory).start()

    assert postgres.psql("SELECT 1") == "1"


def test_the_log_holds_no_failure_of_our_own(postgres: Postgres) -> None:
    """The check whether the server is up does not log a failed sign-in."""
    assert 'role "root" does not exist' not in (postgres.directory / "postgres.log").read_text()


def psql() -> list[str]:
    """The psql command, without the user's own configuration."""
    from local.postgres_programs import program

    return [program("psql"), "-X", "-q"]
