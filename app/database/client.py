"""All access to PostgreSQL: Prisma Client Python on a query engine that is replaced if it dies or hangs."""

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar

from app.database.engine import Engine, EngineLost, Interrupted
from app.errors import DatabaseDown, Unavailable

if TYPE_CHECKING:
    from app.database.engine import Prisma

T = TypeVar("T")
Row = dict[str, Any]
Parameter = str | int | bool | None

# A load balancer asks every few seconds and gives up after two.
READY_TIMEOUT_S = 1.5


class Database:
    """A client whose engine starts at first use and is replaced when it dies or hangs. For one event loop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Engine | None = None
        self._starting: asyncio.Task[Engine] | None = None
        self._probe: asyncio.Task[list[Row]] | None = None
        self._stopping: set[asyncio.Task[None]] = set()
        self._closed = False

    async def read(self, call: "Callable[[Prisma], Awaitable[T]]") -> T:
        """The result of a read-only call, repeated once if the engine or its connection is lost during it.

        Raises Unavailable if there is still no answer.
        """
        try:
            return await self.write(call)
        except Interrupted:
            return await self.write(call)

    async def write(self, call: "Callable[[Prisma], Awaitable[T]]") -> T:
        """The result of a call that writes. Never repeated: a call that fails may still have taken effect.

        Raises Unavailable when PostgreSQL or the engine does not answer or refuses the statement.
        """
        engine = await self._started()
        try:
            return await engine.run(call)
        except EngineLost:
            self._discard(engine)
            raise

    async def read_rows(self, sql: LiteralString, *parameters: Parameter) -> list[Row]:
        """The rows of a read-only statement. Otherwise like ``read``."""
        return await self.read(lambda client: client.query_raw(sql, *parameters))

    async def write_rows(self, sql: LiteralString, *parameters: Parameter) -> list[Row]:
        """The rows returned by a statement that writes. Otherwise like ``write``."""
        return await self.write(lambda client: client.query_raw(sql, *parameters))

    async def ready(self) -> None:
        """Run a real query, because the engine starts even if PostgreSQL is down.

        Raises Unavailable after 1.5 s at the latest. The query keeps running, so that a hung engine is found and replaced.
        """
        if self._probe is None or self._probe.done():
            self._probe = _background(self.read_rows("SELECT 1 AS one"))
        await asyncio.wait({self._probe}, timeout=READY_TIMEOUT_S)
        _result(self._probe)

    async def warm_up(self) -> None:
        """Start the engine before it is needed. Never raises: the first statement reports a failure."""
        with contextlib.suppress(Unavailable):
            await self._started()

    async def aclose(self) -> None:
        """Stop the engine and close the connection; later calls are refused. Idempotent."""
        self._closed = True
        tasks: list[asyncio.Task[Any]] = [task for task in (self._starting, self._probe) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._engine is not None:
            engine, self._engine = self._engine, None
            await engine.stop()
        await asyncio.gather(*self._stopping)

    async def _started(self) -> Engine:
        if self._engine is not None:
            return self._engine
        if self._closed:
            raise Unavailable("The database client is closed")
        if self._starting is None or self._starting.done():
            self._starting = _background(self._start())
        # One caller may be cancelled while others still wait for the engine.
        await asyncio.wait({self._starting})
        return _result(self._starting)

    async def _start(self) -> Engine:
        self._engine = await Engine.start(self._url)
        gc.freeze()  # as app/adapters/lazy.py does
        return self._engine

    def _discard(self, engine: Engine) -> None:
        if self._engine is engine:
            self._engine = None
            task = _background(engine.stop(at_once=True))
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)


def _background(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    task = asyncio.create_task(work)
    # Whoever awaits the task gets its error. Retrieve it here as well, or asyncio would log it if nobody awaits the task.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


def _result(task: asyncio.Task[T]) -> T:
    if not task.done() or task.cancelled():
        raise DatabaseDown
    return task.result()
