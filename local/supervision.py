"""Supervises the programs of a stack: restarts a program that exits, three times, and then reports which one it was."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx

from local.process import Child, ChildDied

START_TIMEOUT_S = 60.0
MAX_RESTARTS = 3
WATCH_EVERY_S = 0.3


@dataclass
class _Watched:
    name: str
    running: Callable[[], bool]
    restart: Callable[[], None]
    restarts: int = 0


class Supervisor:
    """Starts and watches the programs of one stack. They stop when ``resources`` is closed."""

    def __init__(self, resources: ExitStack, logs: Path, say: Callable[[str], None]) -> None:
        self._resources, self._logs, self._say = resources, logs, say
        self._watched: list[_Watched] = []
        self._starting: list[tuple[Child, int, str, dict[str, str]]] = []
        self.children: list[Child] = []
        # Functions to call after a restart, by the name of the program.
        self.after_restart: dict[str, Callable[[], None]] = {}

    def start(self, name: str, command: Sequence[str | Path], env: Mapping[str, str], cwd: Path | None = None) -> Child:
        """Start a program with its own log, and watch it."""
        child = Child(name, command, self._logs / f"{name}.log", env, cwd)
        self._resources.callback(child.stop)
        self.children.append(child)
        self.watch_over(name, lambda: child.running, child.start_again)
        return child

    def watch_over(self, name: str, running: Callable[[], bool], restart: Callable[[], None]) -> None:
        """Watch a program that the caller has started and will stop."""
        self._watched.append(_Watched(name, running, restart))

    def expect(self, child: Child, port: int, url: str, headers: Mapping[str, str]) -> None:
        """Make ``wait_for_expected`` wait until ``child``, and no other program, answers at ``url``."""
        self._starting.append((child, port, url, dict(headers)))

    def wait_for_expected(self) -> None:
        """Wait for all expected programs, which start in parallel. Raises ChildDied, TimeoutError."""
        starting, self._starting = self._starting, []
        for child, port, url, headers in starting:
            child.wait_until(lambda url=url, headers=headers: answers(url, headers), START_TIMEOUT_S, port=port)

    def check(self) -> None:
        """Raises ChildDied if a program has exited."""
        for child in self.children:
            child.check()

    def watch(self) -> None:
        """Restart programs that exit, until one has exited too often. Then raises ChildDied, which names it."""
        while True:
            for each in self._watched:
                if not each.running():
                    self._restart(each)
            time.sleep(WATCH_EVERY_S)

    def _restart(self, exited: _Watched) -> None:
        if exited.restarts == MAX_RESTARTS:
            log = self._logs / f"{exited.name}.log"
            raise ChildDied(f"{exited.name} was restarted {MAX_RESTARTS} times and exited again: see {log}")
        exited.restarts += 1
        self._say(f"{exited.name} exited: restarting it ({exited.restarts} of {MAX_RESTARTS})")
        exited.restart()
        self.after_restart.get(exited.name, _nothing)()


def _nothing() -> None:
    pass


def answers(url: str, headers: Mapping[str, str] | None = None) -> bool:
    """Whether a GET request to ``url`` is answered with 200."""
    try:
        return httpx.get(url, headers=dict(headers or {}), timeout=10, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
