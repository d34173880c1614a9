"""What is exported reaches the local stack only when it was asked for; the local database keeps to itself."""

import subprocess
from pathlib import Path

import pytest

from local.environment import StackError
from local.migrate import migrate
from local.outside import NAMED, admit, confirm_database
from local.postgres import Postgres

EXPORTED = {"DATABASE_URL": "postgresql://production", "OPENAI_API_KEY": "sk-own", "PATH": "/bin", "PORT": "3000"}


def test_exported_settings_are_taken_out(tmp_path: Path) -> None:
    """An exported DATABASE_URL may be production's; what is no setting of the service stays."""
    environment = dict(EXPORTED)
    ignored = admit(environment, everything=False, file=tmp_path / "none")

    assert ignored == ["DATABASE_URL", "OPENAI_API_KEY"]
    assert environment == {"PATH": "/bin", "PORT": "3000"}


def test_what_was_asked_for_stays(tmp_path: Path) -> None:
    """By name on make's command line, or all of it."""
    named = {**EXPORTED, NAMED: "PORT OPENAI_API_KEY AUDIO"}
    everything = dict(EXPORTED)

    assert admit(named, everything=False, file=tmp_path / "none") == ["DATABASE_URL"]
    assert "OPENAI_API_KEY" in named
    assert admit(everything, everything=True, file=tmp_path / "none") == []
    assert everything == EXPORTED


def test_the_file_counts_and_the_command_line_wins(tmp_path: Path) -> None:
    """.env.local is this folder's own word."""
    file = tmp_path / ".env.local"
    file.write_text("ANTHROPIC_API_KEY=sk-ant-file\nOPENAI_API_KEY=sk-file\nDATABASE_URL=\n")
    environment = {**EXPORTED, NAMED: "OPENAI_API_KEY"}
    admit(environment, everything=False, file=file)

    assert (environment["ANTHROPIC_API_KEY"], environment["OPENAI_API_KEY"]) == ("sk-ant-file", "sk-own")
    assert "DATABASE_URL" not in environment


def test_a_database_that_holds_something_needs_a_yes(postgres: Postgres, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name is printed, its password never; without a yes nothing is changed."""
    url = postgres.create_database("foreign")
    postgres.psql("CREATE TABLE precious (id int)", "foreign")
    with pytest.raises(StackError, match="is not empty"):
        confirm_database(f"{url}?schema=public&connection_limit=5", yes=False)
    confirm_database(url, yes=True)

    printed = capsys.readouterr().out
    assert "using the database 'foreign' on 127.0.0.1" in printed and url.split(":")[2].split("@")[0] not in printed
    assert postgres.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", "foreign") == "1"


def test_an_empty_database_and_one_of_ours_need_none(postgres: Postgres) -> None:
    """The second run asks no more than the first."""
    url = postgres.create_database("welcome")
    confirm_database(url, yes=False)
    migrate(url)

    confirm_database(url, yes=False)


def test_a_database_that_is_away_is_a_sentence() -> None:
    """No traceback, no password."""
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
def test_the_applications_role_is_no_superuser(postgres: Postgres, statement: str) -> None:
    """What an injected statement could do ends at its own database."""
    url = postgres.create_database("bounded")
    done = subprocess.run([*psql(), "-d", url, "-c", statement], capture_output=True, text=True, check=False)

    assert done.returncode != 0 and "ermission denied" in done.stderr


def test_nobody_is_let_in_without_a_password(postgres: Postgres) -> None:
    """Other users of the machine reach the port, too."""
    for role in ("local", "speaking"):
        url = f"postgresql://{role}@127.0.0.1:{postgres.port}/postgres"
        done = subprocess.run([*psql(), "-w", "-d", url, "-c", "SELECT 1"], capture_output=True, text=True, check=False)
        assert done.returncode != 0 and "no password supplied" in done.stderr


def test_a_second_server_in_the_same_folder_is_refused(postgres: Postgres) -> None:
    """The lock file of one that runs is left alone."""
    with pytest.raises(RuntimeError, match="end the command that started it"):
        Postgres(postgres.directory).start()

    assert postgres.psql("SELECT 1") == "1"


def test_the_log_holds_no_failure_of_our_own(postgres: Postgres) -> None:
    """Asking whether the server is up is no failed sign-in."""
    assert 'role "root" does not exist' not in (postgres.directory / "postgres.log").read_text()


def psql() -> list[str]:
    """The program, without the settings of whoever runs it."""
    from local.postgres_programs import program

    return [program("psql"), "-X", "-q"]
