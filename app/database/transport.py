"""HTTP from Prisma's client to its engine through aiohttp: httpx's own transport costs twice the CPU of a statement."""

import asyncio
import os
import signal

import httpx
from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

# The engine is on this machine: it takes a connection at once or not at all.
CONNECT_TIMEOUT_S = 5.0
PROBE_TIMEOUT_S = 1.0


class EngineTransport(httpx.AsyncBaseTransport):
    """What Prisma's client is given as ``http={"transport": ...}``. Used by one event loop; ``token`` goes with each request.

    ``pid`` is the engine's process id, once it has told it. Only a child of this process is spoken to.
    """

    def __init__(self, token: str) -> None:
        self.pid: int | None = None
        self._headers = {"authorization": f"Bearer {token}"}
        self._origin: str | None = None
        self._session: ClientSession | None = None
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request. Raises httpx.TransportError if there is no complete answer. The caller sets the time limit."""
        # Prisma says "localhost", which would be looked up each time a connection is made.
        self._origin = f"http://127.0.0.1:{request.url.port}"
        transaction = request.headers.get("x-transaction-id")
        headers = {"x-transaction-id": transaction} if transaction else {}
        response = await self._send(
            request.method, self._origin + request.url.raw_path.decode(), request.content, headers
        )
        if request.url.path == "/status":
            self._check(response)
        return response

    async def responds(self) -> bool:
        """Whether the engine itself answers, whatever PostgreSQL does. Takes a second at most."""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                return (await self._send("GET", f"{self._origin}/status", b"", {})).is_success
        except (httpx.TransportError, TimeoutError):
            return False

    def kill(self) -> None:
        """Kill the engine, hung or not. The process id is still the engine's: only we can reap our child."""
        if self.pid is not None and _is_our_child(self.pid):
            os.kill(self.pid, signal.SIGKILL)

    async def aclose(self) -> None:
        """Close the connections; what still waits on them fails. Idempotent."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _send(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        try:
            async with self._opened().request(
                method, url, data=body or None, headers={**self._headers, **headers}
            ) as answer:
                return httpx.Response(answer.status, content=await answer.read())
        except (ClientError, ConnectionError, RuntimeError) as error:
            raise httpx.ReadError(type(error).__name__) from None
        except asyncio.CancelledError:
            # aiohttp cancels requests on a connection that it closes: for the caller that is a lost engine.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise httpx.ReadError("CancelledError") from None

    def _opened(self) -> ClientSession:
        if self._closed:
            raise httpx.ReadError("closed")
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(limit=0),
                cookie_jar=DummyCookieJar(),
                timeout=ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
                headers={"content-type": "application/json"},
            )
        return self._session

    def _check(self, response: httpx.Response) -> None:
        # Another program may have taken the port since Prisma chose it. (Prisma's own binary tells no process id.)
        pid = response.json().get("pid") if response.is_success else None
        if pid is not None and not _is_our_child(pid):
            raise httpx.ConnectError("another process listens on the engine's port")
        self.pid = pid


def _is_our_child(pid: int) -> bool:
    # macOS has waitid since Python 3.13 only.
    if not hasattr(os, "waitid"):
        return True
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except (ChildProcessError, OverflowError):
        return False
