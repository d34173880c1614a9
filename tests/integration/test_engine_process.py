"""The query engine as a process: its command line, its lifetime, and where it listens."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.migrate import ROOT
from local.ports import LOOPBACK, free_port
from local.postgres import Postgres
from tests.support.processes import engines, is_starting

ENGINE = ROOT / "engine" / "query-engine"


GARBAGE = (
    *(b"", b"{", b"[]", b"null", b'{"query": 5}', b'{"query": "query { nope }"}'),
    *(b"\x00\xff" * 1000, b'{"query": "' + b"{" * 5000 + b'"}'),
)


def until(condition: Callable[[], bool], what: str, timeout_s: float = 10) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def address(port: int) -> str:
    """The URL of the engine on ``port``."""
    return f"http://{LOOPBACK}:{port}"


def alive(port: int) -> bool:
    """Whether an engine answers on ``port``."""
    try:
        return httpx.get(f"http://{LOOPBACK}:{port}/status", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def environment(url: str) -> dict[str, str]:
    """The environment that the Python client passes to the engine."""
    schema = ROOT / "schema.prisma"
    overrides = json.dumps([{"name": "db", "url": url}])
    return {**os.environ, "PRISMA_DML_PATH": str(schema), "DATABASE_URL": url, "OVERWRITE_DATASOURCES_": overrides}


@contextmanager
def engine(url: str) -> Generator[tuple[subprocess.Popen[bytes], int], None, None]:
    """A running engine and its port."""
    port = free_port()
    command = [ENGINE, "-p", str(port), "--enable-metrics", "--enable-raw-queries"]
    process = subprocess.Popen(command, env=environment(url), stdout=subprocess.DEVNULL)
    try:
        until(lambda: alive(port), "the engine did not start")
        yield process, port
    finally:
        process.kill()
        process.wait()


def test_version_is_the_one_the_client_asks_for() -> None:
    """``--version`` prints the commit that the client expects."""
    done = subprocess.run([ENGINE, "--version"], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["query-engine", "393aa359c9ad4a4bb28630fb5613f9c281cde053"]


def test_the_engine_listens_on_loopback_only(postgres: Postgres) -> None:
    """Nobody outside the machine can reach the database through it."""
    with engine(postgres.url) as (_, port):
        tables = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
        listening = [line.split()[1] for line in tables.splitlines() if line.split()[3] == "0A"]
        ours = {address.split(":")[0] for address in listening if int(address.split(":")[1], 16) == port}

    # 127.0.0.1 and ::1, as the kernel writes them
    assert ours <= {"0100007F", "00000000000000000000000001000000"} and "0100007F" in ours


def test_the_engine_exits_on_sigint_and_sigterm(postgres: Postgres) -> None:
    """Both signals stop it within two seconds, even with open connections."""
    for number in (signal.SIGINT, signal.SIGTERM):
        with engine(postgres.url) as (process, port), httpx.Client(trust_env=False) as client:
            client.get(f"http://{LOOPBACK}:{port}/status")
            process.send_signal(number)

            assert process.wait(2) is not None


def test_the_engine_does_not_outlive_its_parent(postgres: Postgres) -> None:
    """If its parent is killed, the engine exits."""
    port = free_port()
    parent = f"import subprocess, time; subprocess.Popen([{str(ENGINE)!r}, '-p', '{port}']); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", parent], env=environment(postgres.url)) as process:
        until(lambda: alive(port), "the engine did not start")
        process.kill()
        process.wait()

        until(lambda: not alive(port), "the engine outlived its parent")


@pytest.mark.parametrize("delay_s", [0.0, 0.002, 0.01, 0.05, 0.2, 0.4])
def test_the_engine_exits_if_its_parent_dies_during_startup(postgres: Postgres, delay_s: float) -> None:
    """Even if the parent is killed before the engine can look it up, because the parent passes its own process id."""
    port = free_port()
    parent = (
        f"import os, signal, subprocess, time; os.environ['PRISMA_ENGINE_PARENT'] = str(os.getpid());"
        f"subprocess.Popen([{str(ENGINE)!r}, '-p', '{port}']); time.sleep({delay_s}); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", parent], env=environment(postgres.url), check=False)

    until(lambda: not engines(port=port) and not is_starting(port), "the engine outlived its parent")


def test_the_engine_drops_secrets_it_does_not_need(postgres: Postgres) -> None:
    """Of the client's environment, it keeps only the database URL and what Node needs."""
    port = free_port()
    secrets = {"OPENAI_API_KEY": "s3cret", "QSTASH_TOKEN": "s3cret", "LINES": "s3cret\nPATH=s3cret", "UID_": "s3cret"}
    given = {**environment(postgres.url), **secrets, "NODE_OPTIONS": "--trace-warnings"}
    for overrides, expected in ((None, True), (json.dumps([{"name": "db", "url": postgres.url}]), False)):
        env = {**given, **({"OVERWRITE_DATASOURCES": overrides} if overrides else {})}
        with subprocess.Popen([ENGINE, "-p", str(port)], env=env) as process:
            until(lambda: alive(port), "the engine did not start")
            kept = Path(f"/proc/{process.pid}/environ").read_text()
            process.kill()
        names = {line.partition("=")[0] for line in kept.split("\0") if line}

        assert "s3cret" not in kept and ("DATABASE_URL" in names) == expected
        assert names <= {
            *("PATH", "HOME", "TZ", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "LD_LIBRARY_PATH"),
            *("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR", "PRISMA_DML_PATH", "PRISMA_ENGINE_PPID"),
            *("DATABASE_URL", "OVERWRITE_DATASOURCES", "RUST_LOG"),
        }


def test_requests_that_a_web_page_can_send_are_refused(postgres: Postgres) -> None:
    """Requests with an Origin, another Host, or another content type than JSON are refused; their SQL does not run."""
    postgres.psql("CREATE TABLE IF NOT EXISTS untouched (id int); GRANT ALL ON untouched TO public")
    body = json.dumps({"query": 'mutation { executeRaw(query: "INSERT INTO untouched VALUES (1)", parameters: "[]") }'})
    pages = (
        ({"Origin": "https://page.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "page.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    )
    with engine(postgres.url) as (_, port), httpx.Client(base_url=address(port), trust_env=False) as client:
        refused = [client.post("/", content=body, headers=headers).status_code for headers, _ in pages]
        assert refused == [status for _, status in pages]
        assert postgres.psql("SELECT count(*) FROM untouched") == "0"
        assert client.post("/", content=body).json() == {"data": {"result": 1}}


def test_garbage_is_answered_not_fatal(postgres: Postgres) -> None:
    """Any body gets an answer, and the engine keeps running."""
    with (
        engine(postgres.url) as (_, port),
        httpx.Client(base_url=f"http://{LOOPBACK}:{port}", trust_env=False) as client,
    ):
        for body in GARBAGE:
            assert client.post("/", content=body).status_code < 600
        client.get("/nowhere")
        unknown = [client.post(f"/transaction/unknown/{end}") for end in ("commit", "rollback")]

        assert [(answer.status_code, answer.json()["error_code"]) for answer in unknown] == [(404, "P2028")] * 2
        assert client.get("/status").json()["status"] == "ok"


def test_a_panic_fails_only_its_own_request(postgres: Postgres) -> None:
    """The WebAssembly engine panics on a query in an unknown transaction, and is restarted."""
    query: dict[str, Any] = {"query": 'mutation { queryRaw(query: "SELECT 1", parameters: "[]") }'}
    with engine(postgres.url) as (_, port), httpx.Client(base_url=address(port), trust_env=False) as client:
        client.post("/", json=query, headers={"x-transaction-id": "unknown"})
        answer = client.post("/", json=query)

        assert answer.status_code == 200 and "errors" not in answer.json()
