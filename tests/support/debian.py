"""Servers from Debian packages: PgBouncer, and a PostgreSQL with TLS, which the one from the wheel does not support."""

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
from local.postgres_programs import unprivileged_prefix
from local.process import Child

# Connections over the network need TLS, except for the database "plain", which refuses TLS.
ACCESS = """
hostssl plain all 127.0.0.1/32 reject
hostnossl plain all 127.0.0.1/32 trust
hostssl all all 127.0.0.1/32 trust
"""
INSTALLED = Path("/usr/lib/postgresql")


def require_program(program: Path | str | None, name: str) -> str:
    """The path of a program. If it is not installed, the test is skipped, or fails in CI."""
    if program is not None:
        return str(program)
    assert "CI" not in os.environ, f"{name} is not installed"
    pytest.skip(f"{name} is not installed: on Debian, apt install {name}")


@contextmanager
def tls_postgres(directory: Path) -> Generator[Postgres, None, None]:
    """Run Debian's PostgreSQL with TLS only, and a certificate for "localhost" signed by ``directory/ca.pem``."""
    found = sorted(INSTALLED.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    binaries = Path(require_program(found[-1] if found else None, "postgresql")).parent
    _certify(directory, require_program(shutil.which("openssl"), "openssl"))
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
    """Run Debian's PgBouncer in front of ``server`` in transaction mode with few sessions, and yield its port."""
    sbin = Path("/usr/sbin/pgbouncer")
    program = require_program(shutil.which("pgbouncer") or (sbin if sbin.exists() else None), "pgbouncer")
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
        "PgBouncer", [*unprivileged_prefix(configuration), program, str(configuration)], directory / "pgbouncer.log"
    )
    try:
        child.wait_until(lambda: accepts(port), 10)
        yield port
    finally:
        child.stop()
