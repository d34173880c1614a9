"""Everything on one machine: database, storage, queue, speech, analysis, and the application in front of them."""

import os
import secrets
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from local.environment import read_environment, write_environment
from local.migrate import ROOT, migrate
from local.ports import LOOPBACK, free_port, is_free
from local.postgres import Postgres
from local.process import Child
from local.qstash.__main__ import environment as qstash_environment
from local.qstash.signing import CURRENT_KEY, NEXT_KEY, TOKEN
from local.storage import Storage

DEFAULT_PORT = 8000
OFFICIAL_QSTASH = "http://127.0.0.1:8080"
START_TIMEOUT_S = 60.0
DATABASE = "speaking"


class StackError(Exception):
    """The stack cannot run; the message says what to do."""


class Stack:
    """Starts what is missing, in order; stops it in reverse. A context manager."""

    def __init__(self, directory: Path, *, port: int | None = None, quiet: bool = False) -> None:
        self.directory = directory.absolute()
        self._port, self._quiet = port, quiet
        self._resources = ExitStack()
        self.children: list[Child] = []
        self._unready: list[tuple[Child, str, dict[str, str]]] = []
        self.environment: dict[str, str] = {}
        self.stand_ins: list[str] = []

    @property
    def url(self) -> str:
        """Where the application answers."""
        return self.environment["APP_URL"]

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._resources.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def wait(self) -> None:
        """Watch over the children until one dies (ChildDied) or a signal ends us."""
        while True:
            for child in self.children:
                child.check()
            time.sleep(0.3)

    def _start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        refuse_second(self.directory)
        port = self._choose_port()
        self.environment = {
            "APP_URL": f"http://{LOOPBACK}:{port}",
            "AUTH_SECRET": self._secret(),
            "PRISMA_QUERY_ENGINE_BINARY": str(ROOT / "engine" / "query-engine"),
            "LOG_FORMAT": "console" if sys.stdout.isatty() else "json",
            **self._database(),
            **self._storage(),
            **self._queue(),
            **self._speech(),
            **self._analysis(),
        }
        self._wait_for_models()
        self._page(port, self.start_application())
        write_environment(self.directory, self.environment, self.stand_ins)
        self._resources.callback((self.directory / "env").unlink, missing_ok=True)

    def _choose_port(self) -> int:
        if self._port is not None:
            if not is_free(self._port):
                raise StackError(
                    f"port {self._port} is taken: end the program that listens there, or choose another with PORT=…"
                )
            return self._port
        return DEFAULT_PORT if is_free(DEFAULT_PORT) else free_port()

    def _secret(self) -> str:
        # Kept, so that a cookie made yesterday still works today.
        file = self.directory / "auth-secret"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_hex(32))
        return file.read_text()

    def _database(self) -> dict[str, str]:
        url = os.environ.get("DATABASE_URL")
        if not url:
            self._say("starting PostgreSQL")
            server = self._resources.enter_context(Postgres(self.directory / "postgres"))
            url = server.ensure_database(DATABASE)
        migrate(url)
        return {"DATABASE_URL": url}

    def _storage(self) -> dict[str, str]:
        self._say("starting the S3 server")
        server = self._resources.enter_context(Storage(self.directory / "storage"))
        return {
            "R2_ACCOUNT_ID": "",
            "R2_ENDPOINT_URL": server.endpoint_url,
            "R2_ACCESS_KEY_ID": server.access_key,
            "R2_SECRET_ACCESS_KEY": server.secret_key,
            "R2_BUCKET_NAME": server.bucket,
        }

    def _queue(self) -> dict[str, str]:
        if _official_qstash_listens():
            self._say(f"using the QStash development server at {OFFICIAL_QSTASH}")
            return {**qstash_environment(8080), "QSTASH_URL": OFFICIAL_QSTASH}
        self.stand_ins.append("QStash")
        port = free_port()
        self._serve("local.qstash", port, "/v2/keys", headers={"authorization": f"Bearer {TOKEN}"})
        return qstash_environment(port)

    def _speech(self) -> dict[str, str]:
        if os.environ.get("OPENAI_API_KEY"):
            return {name: value for name, value in os.environ.items() if name in ("OPENAI_API_KEY", "OPENAI_BASE_URL")}
        self.stand_ins.append("Whisper")
        port = free_port()
        self._serve("local.speech", port)
        return {"OPENAI_API_KEY": "local", "OPENAI_BASE_URL": f"http://{LOOPBACK}:{port}/v1"}

    def _analysis(self) -> dict[str, str]:
        if os.environ.get("ANTHROPIC_API_KEY"):
            return {
                name: value for name, value in os.environ.items() if name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")
            }
        self.stand_ins.append("Claude")
        port = free_port()
        self._serve("local.analysis", port)
        return {"ANTHROPIC_API_KEY": "local", "ANTHROPIC_BASE_URL": f"http://{LOOPBACK}:{port}"}

    def _serve(self, module: str, port: int, path: str = "/healthz", headers: Mapping[str, str] | None = None) -> None:
        self._say(f"starting {module}")
        child = self.start_child(module, [sys.executable, "-m", module, "--port", str(port)], dict(os.environ))
        self._unready.append((child, f"http://{LOOPBACK}:{port}{path}", dict(headers or {})))

    def _wait_for_models(self) -> None:
        # They load side by side.
        for child, url, headers in self._unready:
            child.wait_until(lambda url=url, headers=headers: _answers(url, headers), START_TIMEOUT_S)

    def start_application(self) -> str:
        """Start the application behind the page; its address there."""
        self._say("starting the application")
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", "app.main:app", "--host", LOOPBACK, "--port", str(port)]
        self.start_child("app", command, {**os.environ, **self.environment})
        return f"http://{LOOPBACK}:{port}"

    def _page(self, port: int, application: str) -> None:
        """The page, and under its address the application: the browser sees one origin, as behind the frontend's rewrites."""
        command = [sys.executable, "-m", "local.page", "--port", str(port), "--app", application]
        for name in self.stand_ins:
            command += ["--stand-in", name]
        self.start_child("page", command, {**os.environ, "AUTH_SECRET": self.environment["AUTH_SECRET"]})

        def all_answer() -> bool:
            for child in self.children:
                child.check()
            return _answers(f"{self.url}/api/health/ready", {})

        self.children[-1].wait_until(all_answer, START_TIMEOUT_S)

    def start_child(
        self, name: str, command: Sequence[str | Path], env: Mapping[str, str], cwd: Path | None = None
    ) -> Child:
        """Start a program that is stopped with the stack, with a log of its own."""
        child = Child(name, command, self.directory / "logs" / f"{name}.log", env, cwd)
        self._resources.callback(child.stop)
        self.children.append(child)
        return child

    def _say(self, line: str) -> None:
        if not self._quiet:
            print(line, flush=True)


def refuse_second(directory: Path) -> None:
    """Raises StackError if a stack already runs from this directory."""
    running = read_environment(directory)
    if running and _answers(f"{running['APP_URL']}/api/health", {}):
        raise StackError(f"already running at {running['APP_URL']}: end that one first, or use it")


def stop_on_sigterm() -> None:
    """Let SIGTERM end us as Ctrl-C does, so that what was started is stopped."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def _answers(url: str, headers: Mapping[str, str]) -> bool:
    try:
        return httpx.get(url, headers=headers, timeout=10, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _official_qstash_listens() -> bool:
    try:
        answer = httpx.get(
            f"{OFFICIAL_QSTASH}/v2/keys", headers={"authorization": f"Bearer {TOKEN}"}, timeout=2, trust_env=False
        )
        return answer.json() == {"current": CURRENT_KEY, "next": NEXT_KEY}
    except (httpx.HTTPError, ValueError):
        return False
