"""HTTP from Prisma's client to its engine, through aiohttp: httpx's own transport takes more CPU (docs/decisions/cpu.md)."""

import asyncio
import hmac
import os
import secrets
import signal

import httpx
from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

# The engine is on this machine: it accepts a connection immediately or not at all.
CONNECT_TIMEOUT_S = 5.0
PROBE_TIMEOUT_S = 1.0


class EngineTransport(httpx.AsyncBaseTransport):
    """Passed to Prisma's client as ``http={"transport": ...}``. For one event loop. ``token`` is sent with each query.

    ``pid`` is the engine's process id, once the engine has reported it. Queries are sent only to a child of this process. If
    the engine ``proves`` itself, as this repository's does, it must first prove that it knows the token.
    """

    def __init__(self, token: str, *, proves: bool) -> None:
        self.pid: int | None = None
        self._token, self._proves = token, proves
        self._origin: str | None = None
        self._session: ClientSession | None = None
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request. Raises httpx.TransportError if there is no complete answer. The caller sets the time limit."""
        # Prisma uses "localhost", which would be resolved again for each new connection.
        self._origin = f"http://127.0.0.1:{request.url.port}"
        if request.url.path == "/status":
            return await self._status()
        headers = {"authorization": f"Bearer {self._token}"}
        if transaction := request.headers.get("x-transaction-id"):
            headers["x-transaction-id"] = transaction
        return await self._send(request.method, request.url.raw_path.decode(), request.content, headers)

    async def responds(self) -> bool:
        """Whether the engine itself answers, regardless of PostgreSQL. Takes a second at most."""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                return (await self._status()).is_success
        except (httpx.TransportError, TimeoutError):
            return False

    def kill(self) -> None:
        """Kill the engine, even if it hangs. Its process id cannot have been reused, because only we reap our children."""
        if self.pid is not None and _is_our_child(self.pid):
            os.kill(self.pid, signal.SIGKILL)

    async def aclose(self) -> None:
        """Close the connections; pending requests fail. Idempotent."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _status(self) -> httpx.Response:
        # Another program may have taken the port since Prisma chose it, and must learn neither the token nor a query.
        nonce = secrets.token_hex(16)
        response = await self._send("GET", "/status", b"", {"x-engine-nonce": nonce})
        if response.is_success:
            pid, proof = _parsed_status(response)
            expected = hmac.new(self._token.encode(), nonce.encode(), "sha256").hexdigest()
            is_proven = hmac.compare_digest(proof.encode("utf-8", "replace"), expected.encode())
            if (self._proves and not is_proven) or (pid is not None and not _is_our_child(pid)):
                raise httpx.ConnectError("another process listens on the engine's port")
            self.pid = pid
        return response

    async def _send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        try:
            async with self._opened().request(
                method, f"{self._origin}{path}", data=body or None, headers=headers
            ) as answer:
                return httpx.Response(answer.status, content=await answer.read())
        except (ClientError, ConnectionError, RuntimeError) as error:
            raise httpx.ReadError(type(error).__name__) from None
        except asyncio.CancelledError:
            # aiohttp cancels the requests on a connection that it closes. To the caller, that means the engine is lost.
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


def _parsed_status(response: httpx.Response) -> tuple[int | None, str]:
    try:
        status = response.json()
        pid, proof = status.get("pid"), str(status.get("proof"))
    except (ValueError, AttributeError):
        return None, ""
    return pid if isinstance(pid, int) else None, proof


def _is_our_child(pid: int) -> bool:
    # Python has no waitid on macOS before 3.13.
    if not hasattr(os, "waitid"):
        return True
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except (ChildProcessError, OverflowError):
        return False
