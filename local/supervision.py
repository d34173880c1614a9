"""Watches over the programs of a stack: what ends by itself is started again, three times; then the stack says which it was."""

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
    start_again: Callable[[], None]
    restarts: int = 0


class Supervisor:
    """The programs of one stack. They are stopped with ``resources``."""

    def __init__(self, resources: ExitStack, logs: Path, say: Callable[[str], None]) -> None:
        self._resources, self._logs, self._say = resources, logs, say
        self._watched: list[_Watched] = []
        self._starting: list[tuple[Child, int, str, dict[str, str]]] = []
        self.children: list[Child] = []
        # What has to be done anew, by the name of the program that was started again.
        self.after_restart: dict[str, Callable[[], None]] = {}

    def start(self, name: str, command: Sequence[str | Path], env: Mapping[str, str], cwd: Path | None = None) -> Child:
        """Start a program with a log of its own."""
        child = Child(name, command, self._logs / f"{name}.log", env, cwd)
        self._resources.callback(child.stop)
        self.children.append(child)
        self.watch_over(name, lambda: child.running, child.start_again)
        return child

    def watch_over(self, name: str, running: Callable[[], bool], start_again: Callable[[], None]) -> None:
        """Include a program that somebody else started, and stops."""
        self._watched.append(_Watched(name, running, start_again))

    def expect(self, child: Child, port: int, url: str, headers: Mapping[str, str]) -> None:
        """``wait_for_expected`` waits for ``url`` to be answered, by ``child`` and no other program."""
        self._starting.append((child, port, url, dict(headers)))

    def wait_for_expected(self) -> None:
        """Wait for all of them; they start side by side. Raises ChildDied, TimeoutError."""
        starting, self._starting = self._starting, []
        for child, port, url, headers in starting:
            child.wait_until(lambda url=url, headers=headers: answers(url, headers), START_TIMEOUT_S, port=port)

    def check(self) -> None:
        """Raises ChildDied if a program has ended."""
        for child in self.children:
            child.check()

    def watch(self) -> None:
        """Start again what ends, until one has ended too often: raises ChildDied, which names it."""
        while True:
            for each in self._watched:
                if not each.running():
                    self._start_again(each)
            time.sleep(WATCH_EVERY_S)

    def _start_again(self, ended: _Watched) -> None:
        if ended.restarts == MAX_RESTARTS:
            log = self._logs / f"{ended.name}.log"
            raise ChildDied(f"{ended.name} was started again {MAX_RESTARTS} times and has ended again: see {log}")
        ended.restarts += 1
        self._say(f"{ended.name} ended by itself: starting it again ({ended.restarts} of {MAX_RESTARTS})")
        ended.start_again()
        self.after_restart.get(ended.name, _nothing)()


def _nothing() -> None:
    pass


def answers(url: str, headers: Mapping[str, str] | None = None) -> bool:
    """Whether ``url`` is answered with 200."""
    try:
        return httpx.get(url, headers=dict(headers or {}), timeout=10, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
