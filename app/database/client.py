"""The one door to PostgreSQL: Prisma Client Python, its engine kept alive and its errors told in our words.

Statements are SQL sent through Prisma's raw queries: each checkpoint is one atomic statement and one engine request
(docs/decisions/one-statement-per-checkpoint.md says why).
"""

import asyncio
import contextlib
import functools
from importlib import import_module
from typing import TYPE_CHECKING, Any, LiteralString

import structlog

from app.errors import Unavailable

if TYPE_CHECKING:
    from prisma import Prisma

log = structlog.get_logger()

Row = dict[str, Any]
Parameter = str | int | bool | None

# The engine answers a statement well within this, or the connection below it is dead.
STATEMENT_TIMEOUT_S = 20.0
ENGINE_START_TIMEOUT_S = 12.0


class Database:
    """A connection that outlives its engine: opened at first use, opened anew when the engine process is gone."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Prisma | None = None
        self._opening = asyncio.Lock()

    async def read(self, sql: LiteralString, *parameters: Parameter) -> list[Row]:
        """The rows of a statement that changes nothing. Repeated once if the engine dies under it.

        Raises Unavailable when there is still no answer.
        """
        try:
            return await self.write(sql, *parameters)
        except Unavailable:
            return await self.write(sql, *parameters)

    async def write(self, sql: LiteralString, *parameters: Parameter) -> list[Row]:
        """The rows a changing statement returns. Never repeated: whether it took effect is not known when it fails.

        Raises Unavailable when PostgreSQL or the engine does not answer, or refuses the statement.
        """
        client = await self._connected()
        from aiohttp import ClientError
        from prisma.errors import PrismaError

        try:
            async with asyncio.timeout(STATEMENT_TIMEOUT_S):
                return await client.query_raw(sql, *parameters)
        except (ClientError, RuntimeError, ConnectionError) as error:
            await self._replace(client)
            log.warning("engine_lost", error=type(error).__name__)
            raise Unavailable("The database engine did not answer") from None
        except (PrismaError, TimeoutError) as error:
            log.warning("statement_failed", error=type(error).__name__, code=_code_of(error))
            raise Unavailable("The database did not answer") from None

    async def ready(self) -> None:
        """Ask PostgreSQL a real question: the engine connects without it and says nothing. Raises Unavailable."""
        await self.read("SELECT 1 AS one")

    async def warm_up(self) -> None:
        """Start the engine before it is needed. Raises nothing: whoever needs it will hear."""
        with contextlib.suppress(Unavailable):
            await self._connected()

    async def aclose(self) -> None:
        """Stop the engine and close the connection. Idempotent."""
        client, self._client = self._client, None
        if client is not None:
            await _discard(client)

    async def _connected(self) -> "Prisma":
        if self._client is not None:
            return self._client
        async with self._opening:
            if self._client is None:
                self._client = await _open(self._url)
            return self._client

    async def _replace(self, dead: "Prisma") -> None:
        async with self._opening:
            if self._client is dead:
                self._client = None
                await _discard(dead)


async def _open(url: str) -> "Prisma":
    # 0.3 s of imports, kept off the path to the first health answer and off the event loop.
    await asyncio.to_thread(import_module, "prisma.client")
    from prisma import Prisma

    from app.database.transport import EngineHTTP

    _escape_line_separators()
    client = Prisma(datasource={"url": url})
    try:
        engine: Any = client._create_engine()  # pyright: ignore[reportPrivateUsage]  # connect() takes one that is there
        engine.session = EngineHTTP(STATEMENT_TIMEOUT_S)
        client._internal_engine = engine  # pyright: ignore[reportPrivateUsage]
        # A silent listener on the engine's port would hang connect() for ever.
        await asyncio.wait_for(client.connect(), ENGINE_START_TIMEOUT_S)
    except Exception as error:
        await _discard(client)
        log.error("engine_not_started", error=type(error).__name__)
        raise Unavailable("The database engine did not start") from None
    return client


async def _discard(client: "Prisma") -> None:
    try:
        await asyncio.wait_for(client.disconnect(), 5)
    except Exception as error:
        log.warning("engine_not_stopped", error=type(error).__name__)


@functools.cache
def _escape_line_separators() -> None:
    # The query builder indents the text of a query with textwrap.indent, which takes U+2028, U+2029 and U+0085 for line
    # ends and puts spaces behind them: text is corrupted on its way in. Written as escapes they pass.
    builder: Any = import_module("prisma._builder")
    builder.dumps = functools.partial(builder.dumps, ensure_ascii=True)


def _code_of(error: BaseException) -> str | None:
    code = getattr(error, "code", None)
    return code if isinstance(code, str) else None
