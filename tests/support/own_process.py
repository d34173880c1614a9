"""Runs the application in its own process, for tests that concern the whole process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from local.migrate import ROOT
from local.ports import LOOPBACK, accepts, free_port
from tests.support.world import World

# Like "python -m app serve", but prints the loaded OpenTelemetry modules on exit.
SERVE = """
import atexit, runpy, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
atexit.register(lambda: print("LOADED", *sorted(name for name in sys.modules if name.startswith("opentelemetry"))))
runpy.run_module("app", run_name="__main__")
"""


@dataclass
class OwnProcess:
    """A running application. ``world`` sends requests to it."""

    world: World
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> float:
        """Send SIGTERM, wait for the process to exit, and return the seconds it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        return time.monotonic() - started

    @property
    def printed(self) -> str:
        """Everything that the process has printed."""
        return self.log.read_text()

    @property
    def loaded(self) -> list[str]:
        """The OpenTelemetry modules that were loaded when the process exited."""
        [line] = [line for line in self.printed.splitlines() if line.startswith("LOADED")]
        return line.split()[1:]


@contextmanager
def own_process(world: World, log: Path, **environment: str) -> Generator[OwnProcess, None, None]:
    """Run another application with the settings of ``world`` and these variables. OTEL variables are not inherited."""
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    settings = world.settings.model_copy(update={"app_url": url})
    values = {
        name.upper(): value.get_secret_value() if hasattr(value, "get_secret_value") else str(value or "")
        for name, value in dict(settings).items()
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    command = [sys.executable, "-c", SERVE, "serve", "--host", LOOPBACK, "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**inherited, **values, **environment}, stdout=output, stderr=output
        )
    try:
        while not accepts(port):
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield OwnProcess(replace(world, url=url, settings=settings), process, log)
    finally:
        process.kill()
        process.wait()
