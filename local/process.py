"""A child process with a log of its own. It does not outlive this process."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from local.ports import listens

PR_SET_PDEATHSIG = 1
STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM}
STOP_TIMEOUT_S = 8.0
TAIL_LINES = 15


class ChildDied(Exception):
    """A child exited unexpectedly; the message names it and quotes the end of its log."""


class Child:
    """A running program. Its output goes to ``log_path``, or to our own output if that is None."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log_path: Path | None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name, self.log_path = name, log_path
        self._command = [str(word) for word in command]
        self._env, self._cwd = dict(env) if env is not None else None, cwd
        self._process = self._start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """False once the program has exited."""
        return self._process.poll() is None

    def start_again(self, env: Mapping[str, str] | None = None) -> None:
        """Stop the program and start it again, with ``env`` if given. Call it from the main thread."""
        self.stop()
        self._env = dict(env) if env is not None else self._env
        self._process = self._start()

    def check(self) -> None:
        """Raises ChildDied if the program has exited."""
        if not self.running:
            raise ChildDied(f"{self.name} exited with code {self._process.returncode}{self._tail()}")

    def wait_until(self, answers: Callable[[], bool], timeout_s: float, *, port: int | None = None) -> None:
        """Wait until ``answers()`` is true.

        If ``port`` is given, this program must listen on it, since another program may have taken it.
        Raises ChildDied if the program exits first, TimeoutError after ``timeout_s``.
        """
        deadline = time.monotonic() + timeout_s
        while not (answers() and (port is None or listens(self.pid, port))):
            self.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} did not answer within {timeout_s:.0f} s{self._tail()}")
            time.sleep(0.05)

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        """Stop the program with ``with_signal``, or kill it after STOP_TIMEOUT_S. Idempotent."""
        if self.running:
            self._process.send_signal(with_signal)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()

    def send(self, a_signal: signal.Signals) -> None:
        """Send a signal to the program."""
        self._process.send_signal(a_signal)

    def _start(self) -> subprocess.Popen[bytes]:
        output = None
        if self.log_path is not None:
            self.log_path.parent.mkdir(parents=True, exist_ok=True)
            output = self.log_path.open("ab")
        try:
            with _blocked_signals():
                return subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=self._env,
                    cwd=self._cwd,
                    # In its own process group: Ctrl-C reaches only us, and we stop the children in order.
                    start_new_session=True,
                    preexec_fn=_prepare,
                )
        finally:
            if output is not None:
                output.close()

    def _tail(self) -> str:
        if self.log_path is None:
            return ""
        lines = self.log_path.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return f"; the end of {self.log_path}:\n" + "\n".join(lines)


@contextmanager
def _blocked_signals() -> Generator[None]:
    """Delay Ctrl-C until the block ends: Python would lose it in the hooks that it runs around a fork."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    if sys.platform == "linux":
        # If we are killed, the kernel stops the child. It also does so when the thread that started the child ends,
        # so children must be started from the main thread.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == 1:
            os._exit(1)
