"""Injects faults at every external call of the pipeline. The calls are recorded from a run, not listed by hand."""

import asyncio
import dataclasses
import inspect
import os
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from structlog.contextvars import get_contextvars

from app.audio.recording import AudioFile
from app.errors import AppError, Unavailable
from app.services import OpenServices, Services, open_services
from app.settings import Settings

# The members of Services that make external calls.
OUTSIDE = ("database", "storage", "whisper", "claude", "queue")


class WorkerLost(BaseException):
    """Simulates a worker that dies: the application does not catch this, so nothing is recorded."""


@dataclass
class Fault:
    """A fault that happens once, at external call number ``at``.

    ``kind`` is ``error_before``, ``error_after``, ``hang``, ``kill``, ``lose_worker_before``, ``lose_worker_after`` or
    ``late``. ``late`` hangs until ``hang_s`` have passed or ``released`` is set, and then raises ``error``.
    """

    at: int
    kind: str
    hang_s: float = 0.0
    error: AppError = field(default_factory=lambda: Unavailable("A fault was planned here"))
    fired: bool = False
    released: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


@dataclass
class Faults:
    """The planned faults, and the external calls that each session's deliveries made.

    ``max_file_bytes`` replaces Whisper's limit. ``lease_s`` and ``timeout_s`` may be shorter than settings allow.
    """

    planned: dict[str, Fault] = field(default_factory=dict[str, Fault])
    calls: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    # Faults of single deliveries, by session id and attempt (as logged).
    planned_for: dict[tuple[str, int], Fault] = field(default_factory=dict[tuple[str, int], Fault])
    made: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    everywhere: Fault | None = None
    max_file_bytes: int | None = None
    lease_s: int | None = None
    timeout_s: float | None = None
    services: Services | None = None
    loop: asyncio.AbstractEventLoop | None = None

    async def intercept(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """Make one external call, with the fault that is planned for it."""
        session_id = get_contextvars().get("session_id")
        if session_id is None:
            return await call()
        self.calls[session_id].append(name)
        delivery = session_id, get_contextvars().get("attempt", 0)
        # Counted per request, because the same attempt is sent again while it is refused.
        request = session_id, get_contextvars().get("request_id", "")
        self.made[request] += 1
        theirs = self.planned_for.get(delivery)
        if theirs is not None and not theirs.fired and self.made[request] == theirs.at + 1:
            theirs.fired = True
            try:
                return await self._inject_fault(theirs, call)
            finally:
                theirs.over.set()
        fault = self.planned.get(session_id) or self.everywhere
        if fault is None or fault.fired or len(self.calls[session_id]) != fault.at + 1:
            return await call()
        fault.fired = True
        try:
            return await self._inject_fault(fault, call)
        finally:
            fault.over.set()

    async def _inject_fault(self, fault: Fault, call: Callable[[], Awaitable[Any]]) -> Any:
        if fault.kind == "error_before":
            raise Unavailable("A fault was planned here")
        if fault.kind == "late":
            deadline = time.monotonic() + fault.hang_s
            while time.monotonic() < deadline and not fault.released.is_set():  # noqa: ASYNC110  # set by a thread
                await asyncio.sleep(0.01)
            raise fault.error
        if fault.kind == "lose_worker_before":
            raise WorkerLost
        if fault.kind == "hang":
            await asyncio.sleep(fault.hang_s)
        result = await call()
        if fault.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if fault.kind == "lose_worker_after":
            if isinstance(result, AudioFile):
                result.file.close()
            raise WorkerLost
        if fault.kind == "error_after":
            if isinstance(result, AudioFile):
                result.file.close()
            raise Unavailable("A fault was planned here")
        return result

    def run(self, call: Callable[[Services], Coroutine[Any, Any, Any]]) -> Any:
        """Run ``call`` with the application's services on its event loop, from another thread."""
        assert self.services is not None and self.loop is not None
        return asyncio.run_coroutine_threadsafe(call(self.services), self.loop).result(30)

    def opener(self) -> OpenServices:
        """A replacement for ``open_services`` that wraps the services to inject faults."""

        @asynccontextmanager
        async def open_watched(settings: Settings) -> AsyncGenerator[Services, None]:
            async with open_services(settings) as services:
                services.whisper.max_file_bytes = self.max_file_bytes or services.whisper.max_file_bytes
                self.services, self.loop = services, asyncio.get_running_loop()
                watched: dict[str, Any] = {name: _Watched(name, getattr(services, name), self) for name in OUTSIDE}
                limits = {"processing_lease_seconds": self.lease_s, "processing_timeout_seconds": self.timeout_s}
                changed = {name: value for name, value in limits.items() if value is not None}
                yield dataclasses.replace(services, **watched, settings=settings.model_copy(update=changed))

        return open_watched


class _Watched:
    """Wraps a service, so that every coroutine method may get a fault."""

    def __init__(self, name: str, service: object, faults: Faults) -> None:
        self._name, self._service, self._faults = name, service, faults

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._service, method)
        if not inspect.iscoroutinefunction(found):
            return found

        async def watched(*args: Any, **kwargs: Any) -> Any:
            return await self._faults.intercept(f"{self._name}.{method}", lambda: found(*args, **kwargs))

        return watched
