"""Servers that come from the system's packages: PgBouncer, and a PostgreSQL that speaks TLS, which the wheel's does not."""

import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local.ports import LOOPBACK, accepts, free_port
from local.postgres import ROLE, Postgres
from local.postgres_programs import as_ordinary_user
from local.process import Child

# Who comes over the network: nobody without TLS, but for one database that nobody reaches with it.
ACCESS = """
hostssl plain all 127.0.0.1/32 reject
hostnossl plain all 127.0.0.1/32 trust
hostssl all all 127.0.0.1/32 trust
"""
INSTALLED = Path("/usr/lib/postgresql")


def required(program: Path | str | None, name: str) -> str:
    """The program's path. A test that needs it is skipped where it is not installed; in CI it has to be there."""
    if program is not None:
        return str(program)
    assert "CI" not in os.environ, f"{name} is not installed"
    pytest.skip(f"{name} is not installed: on Debian, apt install {name}")


@contextmanager
def tls_postgres(directory: Path) -> Generator[Postgres, None, None]:
    """Debian's PostgreSQL, reached by TLS only, with a certificate for "localhost" by the authority ``directory/ca.pem``."""
    found = sorted(INSTALLED.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    binaries = Path(required(found[-1] if found else None, "postgresql")).parent
    _certify(directory, required(shutil.which("openssl"), "openssl"))
    (directory / "access.conf").write_text(ACCESS)
    settings = {
        "ssl": "on",
        "ssl_cert_file": str(directory / "server.pem"),
        "ssl_key_file": str(directory / "server.key"),
        "hba_file": str(directory / "access.conf"),
    }
    with Postgres(directory / "server", binaries=binaries, settings=settings) as server:
        server.create_database("plain")
        yield server


def _certify(directory: Path, openssl: str) -> None:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    server = directory / "server"
    authority = ["-CA", directory / "ca.pem", "-CAkey", directory / "ca.key", "-CAcreateserial"]
    names = directory / "names.conf"
    names.write_text("subjectAltName=DNS:localhost")
    commands: list[list[str | Path]] = [
        ["req", "-x509", *key, "-subj", "/CN=authority", "-keyout", directory / "ca.key", "-out", directory / "ca.pem"],
        ["req", *key, "-subj", "/CN=localhost", "-keyout", f"{server}.key", "-out", f"{server}.csr"],
        ["x509", "-req", "-in", f"{server}.csr", *authority, "-days", "2", "-extfile", names, "-out", f"{server}.pem"],
    ]
    for command in commands:
        subprocess.run([openssl, *command], check=True, capture_output=True)
    Path(f"{server}.key").chmod(0o600)


@contextmanager
def pgbouncer(directory: Path, server: Postgres) -> Generator[int, None, None]:
    """Debian's PgBouncer before ``server`` in transaction mode, with few sessions, otherwise as it is by default; its port."""
    sbin = Path("/usr/sbin/pgbouncer")
    program = required(shutil.which("pgbouncer") or (sbin if sbin.exists() else None), "pgbouncer")
    port = free_port()
    users = directory / "users.txt"
    password = urlsplit(server.url).password
    users.write_text(f'"{ROLE}" "{password}"\n')
    configuration = directory / "pgbouncer.ini"
    configuration.write_text(
        f"[databases]\n* = host={LOOPBACK} port={server.port}\n"
        f"[pgbouncer]\nlisten_addr = {LOOPBACK}\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = trust\nauth_file = {users}\npool_mode = transaction\ndefault_pool_size = 3\n"
    )
    child = Child(
        "PgBouncer", [*as_ordinary_user(configuration), program, str(configuration)], directory / "pgbouncer.log"
    )
    try:
        child.wait_until(lambda: accepts(port), 10)
        yield port
    finally:
        child.stop()
