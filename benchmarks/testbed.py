"""The test bed: a fresh database, a storage, providers without latency, and the application to measure."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from qstash_on_loopback.__main__ import environment as qstash_environment
from qstash_on_loopback.signing import Keys

from benchmarks.processes import family
from local.migrate import ROOT, migrate
from local.ports import LOOPBACK, accepts, free_port
from local.postgres import Postgres
from local.process import Child
from local.storage import Storage
from local.token import session_cookie

SECRET = "a secret for measuring only, long enough"


@dataclass
class Target:
    """A running server to measure. ``storage_port`` is the port of the counting proxy, or 0 if there is none."""

    url: str
    app_url: str
    pid: int
    secret: str
    keys: Keys
    storage_port: int = 0

    def cookie(self, user: str) -> dict[str, str]:
        """The headers of a signed-in user."""
        return {"cookie": session_cookie(self.secret, self.app_url, user)}

    def engine_counts(self) -> dict[str, int]:
        """Requests to the query engine and SQL statements so far; empty if the server has no such engine."""
        for pid in family(self.pid):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"--enable-metrics" in command:
                url = f"http://{LOOPBACK}:{int(command[command.index(b'-p') + 1])}/metrics?format=json"
                # The application gives its engine a token; older commits do not.
                environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                token = dict(line.split(b"=", 1) for line in environment if line).get(b"PRISMA_ENGINE_TOKEN", b"")
                headers = {"authorization": f"Bearer {token.decode()}"}
                counters = httpx.get(url, headers=headers, trust_env=False).json()["counters"]
                values = {counter["key"]: counter["value"] for counter in counters}
                return {
                    "engine requests": values["prisma_client_queries_total"],
                    "SQL statements": values["prisma_datasource_queries_total"],
                }
        return {}

    def storage_counts(self) -> dict[str, int]:
        """Requests to storage so far, by method; empty if they are not counted."""
        if not self.storage_port:
            return {}
        return httpx.get(f"http://{LOOPBACK}:{self.storage_port}/counts", trust_env=False).json()


class TestBed:
    """Everything except the application. ``environment`` contains the settings of an application that runs in it."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory = directory
        self.postgres = stack.enter_context(Postgres(directory / "postgres"))
        storage = stack.enter_context(Storage(directory / "storage"))
        self.storage_port, providers = free_port(), free_port()
        for module, port, *more in (
            ("benchmarks.counting", self.storage_port, "--to", str(storage.port)),
            ("benchmarks.providers", providers),
        ):
            command = [sys.executable, "-m", module, "--port", str(port), *more]
            child = Child(module, command, directory / f"{module}.log")
            stack.callback(child.stop)
            child.wait_until(lambda port=port: accepts(port), 20)
        database = self.postgres.create_database("bench")
        migrate(database)
        self.environment = {
            **qstash_environment(providers),
            "DATABASE_URL": database,
            "AUTH_SECRET": SECRET,
            "R2_ENDPOINT_URL": f"http://{LOOPBACK}:{self.storage_port}",
            "R2_ACCESS_KEY_ID": storage.access_key,
            "R2_SECRET_ACCESS_KEY": storage.secret_key,
            "R2_BUCKET_NAME": storage.bucket,
            "OPENAI_API_KEY": "sk-bench",
            "OPENAI_BASE_URL": f"http://{LOOPBACK}:{providers}/v1",
            "ANTHROPIC_API_KEY": "sk-bench",
            "ANTHROPIC_BASE_URL": f"http://{LOOPBACK}:{providers}",
            "PRISMA_QUERY_ENGINE_BINARY": str(ROOT / "engine" / "query-engine"),
        }

    @contextmanager
    def application(self, tree: Path = ROOT, *, telemetry: bool = False) -> Generator[Target, None, None]:
        """Run the application of a source tree as in production, optionally with telemetry."""
        port = free_port()
        url = f"http://{LOOPBACK}:{port}"
        command = [sys.executable, "-m", "uvicorn", "app.main:app", "--host", LOOPBACK, "--port", str(port)]
        env = {**os.environ, **self.environment, "APP_URL": url, "PYTHONPATH": str(tree)}
        if telemetry:
            # The provider stand-ins accept any POST request.
            env["OTEL_EXPORTER_OTLP_ENDPOINT"] = self.environment["ANTHROPIC_BASE_URL"]
        log = (self.directory / "app.log").open("ab")
        process = subprocess.Popen([*command, "--app-dir", str(tree)], env=env, cwd=tree, stdout=log, stderr=log)
        log.close()
        try:
            yield Target(url, url, process.pid, SECRET, Keys(), self.storage_port)
        finally:
            process.terminate()
            process.wait(20)


def until_answers(url: str, path: str, timeout_s: float = 30) -> float:
    """Poll ``path`` until it answers 200, and return the seconds it took. Raises TimeoutError."""
    started = time.monotonic()
    with httpx.Client(base_url=url, trust_env=False, timeout=timeout_s) as client:
        while True:
            try:
                if client.get(path).status_code == 200:
                    return time.monotonic() - started
            except httpx.TransportError:
                time.sleep(0.005)
            if time.monotonic() - started > timeout_s:
                raise TimeoutError(f"{url}{path} did not answer within {timeout_s:.0f} s")


def commit_tree(commit: str, directory: Path) -> Path:
    """Check out another commit in its own folder. Raises CalledProcessError if the commit is unknown."""
    tree = directory / re.sub(r"\W", "_", commit)
    subprocess.run(
        ["git", "worktree", "add", "--detach", "--force", str(tree), commit], cwd=ROOT, check=True, capture_output=True
    )
    return tree
