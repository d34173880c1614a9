"""Runs everything on one machine: database, storage, queue, speech, analysis, application and page."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from qstash_on_loopback.__main__ import environment as qstash_environment
from qstash_on_loopback.signing import TOKEN

from local import overrides
from local.environment import StackError, exclusive_lock, read_environment, write_environment
from local.exported_settings import confirm_database
from local.migrate import ROOT, migrate
from local.ports import LOOPBACK, SavedPorts, free_port, is_free
from local.postgres import Postgres
from local.process import Child
from local.storage import Storage
from local.supervision import START_TIMEOUT_S, Supervisor, answers

DEFAULT_PORT = 8000
DATABASE = "speaking"


class Stack:
    """Starts every service that the environment does not provide, and stops them in reverse. A context manager."""

    def __init__(
        self, directory: Path, *, port: int | None = None, quiet: bool = False, queue_time_scale: float = 1.0
    ) -> None:
        """Every wait of the local QStash is multiplied by ``queue_time_scale``."""
        self.directory = directory.absolute()
        self._port, self._quiet, self._queue_time_scale = port, quiet, queue_time_scale
        self._resources = ExitStack()
        self._ports = SavedPorts(self.directory / "ports")
        self._supervisor = Supervisor(self._resources, self.directory / "logs", self._say)
        self.environment: dict[str, str] = {}
        self.stand_ins: list[str] = []
        self.url = ""
        # None if DATABASE_URL is set.
        self.postgres: Postgres | None = None
        self.storage = Storage(self.directory / "storage")

    @property
    def children(self) -> list[Child]:
        """The programs that were started, except the database and the S3 server."""
        return self._supervisor.children

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
        """Restart programs that exit, until one has exited too often (ChildDied) or a signal stops us."""
        self._supervisor.watch()

    def _start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        require_not_running(self.directory)
        message = "another command is starting a stack in this folder: wait until it is ready, or stop it"
        self._resources.enter_context(exclusive_lock(self.directory / "stack.lock", message))
        port = self._choose_port()
        self.url = f"http://{LOOPBACK}:{port}"
        app_url = overrides.app_url(self.url)
        self.environment = {
            "STACK_URL": self.url,
            "APP_URL": app_url,
            "AUTH_SECRET": overrides.auth_secret(self.directory),
            "PRISMA_QUERY_ENGINE_BINARY": str(ROOT / "engine" / "query-engine"),
            # As in production; the demo reads its session's usage from this log.
            "LOG_FORMAT": "json",
            **self._database(),
            **self._storage(),
            **self._queue(app_url),
            **self._speech(),
            **self._analysis(),
        }
        self._supervisor.wait_for_expected()
        self._page(port, self.start_application())
        self._schedule_sweep()
        write_environment(self.directory, self.environment, self.stand_ins)
        self._resources.callback((self.directory / "env").unlink, missing_ok=True)

    def _choose_port(self) -> int:
        if self._port is not None:
            if not is_free(self._port):
                raise StackError(
                    f"port {self._port} is taken: stop the program that listens there, or choose another with PORT=…"
                )
            return self._port
        if is_free(DEFAULT_PORT):
            return DEFAULT_PORT
        self._say(f"port {DEFAULT_PORT} is taken: choosing another one")
        return free_port()

    def _database(self) -> dict[str, str]:
        url = os.environ.get("DATABASE_URL")
        if url:
            confirm_database(url, yes=os.environ.get("YES") == "1")
        else:
            self._say("starting PostgreSQL")
            server = self.postgres = Postgres(self.directory / "postgres")
            self._resources.callback(server.stop)
            server.start(self._ports.port("PostgreSQL"))
            _require_own_server(server, self.directory)
            self._supervisor.watch_over("PostgreSQL", lambda: server.running, server.restart)
            url = server.ensure_database(DATABASE)
        migrate(url)
        return {"DATABASE_URL": url}

    def _storage(self) -> dict[str, str]:
        self._say("starting the S3 server")
        server = self.storage
        self._resources.callback(server.stop)
        server.start(self._ports.port("storage"))
        self._supervisor.watch_over("the S3 server", lambda: server.running, server.restart)
        return {
            "R2_ACCOUNT_ID": "",
            "R2_ENDPOINT_URL": server.endpoint_url,
            "R2_ACCESS_KEY_ID": server.access_key,
            "R2_SECRET_ACCESS_KEY": server.secret_key,
            "R2_BUCKET_NAME": server.bucket,
        }

    def _queue(self, app_url: str) -> dict[str, str]:
        if overrides.official_qstash_is_running():
            self._say(f"using the QStash development server at {overrides.OFFICIAL_QSTASH}")
            return {**qstash_environment(8080), "QSTASH_URL": overrides.OFFICIAL_QSTASH}
        self.stand_ins.append("QStash")
        port = free_port()
        options = ["--time-scale", str(self._queue_time_scale)]
        public, own = urlsplit(app_url).netloc, urlsplit(self.url).netloc
        if public != own:
            # Deliveries are signed for the public address, but go straight to the local one.
            options += ["--host-map", f"{public}={own}"]
        keys, headers = f"http://{LOOPBACK}:{port}/v2/keys", {"authorization": f"Bearer {TOKEN}"}
        queue = self._serve("qstash_on_loopback", port, "/v2/keys", headers, options)

        def schedule_again() -> None:
            queue.wait_until(lambda: answers(keys, headers), START_TIMEOUT_S, port=port)
            self._schedule_sweep()

        # The local QStash keeps everything in memory, so a restart loses the schedule.
        self._supervisor.after_restart[queue.name] = schedule_again
        return qstash_environment(port)

    def _speech(self) -> dict[str, str]:
        if keys := overrides.provider("OPENAI"):
            return keys
        self.stand_ins.append("Whisper")
        port = free_port()
        self._serve("local.speech", port)
        return {"OPENAI_API_KEY": "local", "OPENAI_BASE_URL": f"http://{LOOPBACK}:{port}/v1"}

    def _analysis(self) -> dict[str, str]:
        if keys := overrides.provider("ANTHROPIC"):
            return keys
        self.stand_ins.append("Claude")
        port = free_port()
        self._serve("local.analysis", port)
        return {"ANTHROPIC_API_KEY": "local", "ANTHROPIC_BASE_URL": f"http://{LOOPBACK}:{port}"}

    def _serve(
        self,
        module: str,
        port: int,
        path: str = "/healthz",
        headers: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> Child:
        self._say(f"starting {module}")
        command = [sys.executable, "-m", module, "--port", str(port), *options]
        child = self.start_child(module, command, dict(os.environ))
        self._supervisor.expect(child, port, f"http://{LOOPBACK}:{port}{path}", headers or {})
        return child

    def _schedule_sweep(self) -> None:
        # As in production: without the sweep, a session whose message has no retries left would never change again.
        command = [sys.executable, "-m", "app", "schedule", "install"]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"the sweep could not be scheduled: {done.stderr.strip()[-500:]}")

    def start_application(self) -> str:
        """Start the application behind the page and return its own URL."""
        self._say("starting the application")
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", "app.main:app", "--host", LOOPBACK, "--port", str(port)]
        # No need to wait for deliveries: the next run claims an interrupted one again.
        command += ["--http", "app.web.protocol:BoundedProtocol", "--timeout-graceful-shutdown", "2"]
        child = self.start_child("app", command, {**os.environ, **self.environment})
        url = f"http://{LOOPBACK}:{port}"
        self._supervisor.expect(child, port, f"{url}/api/health", {})
        return url

    def _page(self, port: int, application: str) -> None:
        """Start the page, which forwards API requests to the application.

        So the browser sees one origin, as it does with the frontend's rewrites.
        """
        command = [sys.executable, "-m", "local.page", "--port", str(port), "--app", application]
        for name in self.stand_ins:
            command += ["--stand-in", name]
        own = {name: self.environment[name] for name in ("AUTH_SECRET", "APP_URL")}
        page = self.start_child("page", command, {**os.environ, **own})
        self._supervisor.wait_for_expected()

        def all_answer() -> bool:
            self._supervisor.check()
            return answers(f"{self.url}/api/health/ready")

        page.wait_until(all_answer, START_TIMEOUT_S, port=port)

    def start_child(
        self, name: str, command: Sequence[str | Path], env: Mapping[str, str], cwd: Path | None = None
    ) -> Child:
        """Start a program that has its own log and stops with the stack."""
        return self._supervisor.start(name, command, env, cwd)

    def _say(self, line: str) -> None:
        if not self._quiet:
            print(line, flush=True)


def require_not_running(directory: Path) -> None:
    """Raises StackError if a stack is already running in this directory."""
    running = read_environment(directory)
    if running and answers(f"{running['STACK_URL']}/api/health"):
        raise StackError(f"already running at {running['STACK_URL']}: stop it first, or use it")


def stop_on_sigterm() -> None:
    """Treat SIGTERM like Ctrl-C, so that every started program is stopped.

    Also enable Ctrl-C again: a script's background jobs inherit SIGINT as ignored. Python's default handler is needed,
    because asyncio replaces only that one, and then cancels the main task. A KeyboardInterrupt raised in the middle of
    the event loop would leave tasks that fail with a traceback.
    """
    signal.signal(signal.SIGTERM, lambda _signal, _frame: signal.raise_signal(signal.SIGINT))
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _require_own_server(server: Postgres, directory: Path) -> None:
    """Raises StackError if another stack's PostgreSQL took the port while ours was starting."""
    data = Path(server.psql("SHOW data_directory"))
    if directory not in data.parents:
        raise StackError(f"port {server.port} was taken by the PostgreSQL server of {data}: try again")
