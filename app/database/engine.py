"""One query engine: its process, Prisma's client on top of it, and the translation of its errors into ours."""

import asyncio
import os
import secrets
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from app.errors import DatabaseDown, Unavailable

if TYPE_CHECKING:
    from prisma import Prisma as Prisma

    from app.database.transport import EngineTransport

T = TypeVar("T")
log = structlog.get_logger()

# A statement that takes longer than this fails. The engine is replaced only if it does not respond, either.
STATEMENT_TIMEOUT_S = 20.0
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 3.0
# The engine requires this token, because its port is open to every user of the machine.
_TOKEN = secrets.token_urlsafe(24)
# One entry per engine that this process is starting; each event loop has its own.
_starting: list[int] = []
_variables_lock = threading.Lock()


class Interrupted(DatabaseDown):
    """The connection to PostgreSQL was lost during a statement, which may or may not have taken effect."""


class EngineLost(Interrupted):
    """The engine has died or hangs, and must be replaced."""


class Engine:
    """A running engine. Created by ``start``; ``stop`` ends its process."""

    def __init__(self, client: "Prisma", transport: "EngineTransport") -> None:
        self._client, self._transport = client, transport

    @classmethod
    async def start(cls, url: str) -> "Engine":
        """Start an engine for the database at ``url``. Raises Unavailable. Leaves no process behind, even if cancelled."""
        # 0.3 s of imports, kept off the path to the first health answer and off the event loop.
        await asyncio.to_thread(import_module, "prisma.client")
        from prisma import Prisma  # noqa: PLC0415  # 0.3 s, already loaded by the thread above

        from app.database.transport import EngineTransport  # noqa: PLC0415  # imports httpx and aiohttp, 0.2 s

        transport = EngineTransport(_TOKEN, proves=_is_hosted())
        # Prisma passes this on to httpx.AsyncClient, which takes a transport. Prisma's own type omits it.
        http: Any = {"transport": transport}
        # Longer than our own limit: when Prisma's expires, it blocks the event loop until the engine has ended.
        client = Prisma(datasource={"url": url}, http=http, connect_timeout=timedelta(seconds=6 * START_TIMEOUT_S))
        engine = cls(client, transport)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                with _engine_variables():
                    await client.connect()
        except BaseException as error:
            await engine.stop()
            if not isinstance(error, Exception):
                raise
            log.error("engine_not_started", error=type(error).__name__)
            raise Unavailable("The database engine did not start") from None
        return engine

    async def run(self, call: "Callable[[Prisma], Awaitable[T]]") -> T:
        """The result of ``call`` on the client. Raises Unavailable or its subclasses EngineLost and Interrupted."""
        from httpx import TransportError  # noqa: PLC0415  # 0.3 s, already loaded by start
        from prisma import errors  # noqa: PLC0415  # 0.3 s, already loaded by start

        try:
            async with asyncio.timeout(STATEMENT_TIMEOUT_S):
                return await call(self._client)
        except (TransportError, errors.HTTPClientClosedError, errors.ClientNotConnectedError) as error:
            raise _engine_lost(error) from None
        except TimeoutError as error:
            if not await self._transport.responds():
                raise _engine_lost(error) from None
            raise _failed(error) from None
        except errors.PrismaError as error:
            raise _failed(error) from None

    async def stop(self, *, at_once: bool = False) -> None:
        """End the process and close the connections, without holding up the event loop. Idempotent."""
        if at_once:
            self._transport.kill()
        await self._transport.aclose()
        try:
            # In a thread, because Prisma blocks while it waits for the process.
            limit = timedelta(seconds=STOP_TIMEOUT_S)
            await asyncio.to_thread(lambda: asyncio.run(self._client.disconnect(timeout=limit)))
        except Exception as error:
            log.warning("engine_not_stopped", error=type(error).__name__)


def _is_hosted() -> bool:
    # engine/query-engine is a script. Prisma's own binary reports no process id and cannot prove that it knows the token.
    try:
        with Path(os.environ.get("PRISMA_QUERY_ENGINE_BINARY", "")).open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


@contextmanager
def _engine_variables() -> Generator[None, None, None]:
    # Prisma passes our environment on to the engine. The engine exits when the process named here does, even if that is killed.
    variables = {"PRISMA_ENGINE_PARENT": str(os.getpid()), "PRISMA_ENGINE_TOKEN": _TOKEN}
    with _variables_lock:
        os.environ.update(variables)
        _starting.append(1)
    try:
        yield
    finally:
        with _variables_lock:
            _starting.pop()
            # Another thread's engine may still be starting.
            for name in () if _starting else variables:
                os.environ.pop(name, None)


def _engine_lost(error: BaseException) -> EngineLost:
    log.warning("engine_lost", error=type(error).__name__)
    return EngineLost("The database engine did not answer")


def _failed(error: BaseException) -> Unavailable:
    code = getattr(error, "code", None)
    log.warning("statement_failed", error=type(error).__name__, code=code if isinstance(code, str) else None)
    # P1001: PostgreSQL cannot be reached; P1017: it closed the connection.
    return Interrupted() if code in ("P1001", "P1017") else DatabaseDown()
