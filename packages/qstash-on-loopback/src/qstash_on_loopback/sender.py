"""Makes one attempt: sends the signed HTTP request to the destination and records the outcome."""

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from qstash_on_loopback.message import Message
from qstash_on_loopback.signing import Keys

NON_RETRYABLE_STATUS = 489
# How much of an answer is kept for the log, the dead letter queue and callbacks.
MAX_KEPT_BYTES = 100_000
# Shorter than the idle timeout of servers, so that a connection is never reused just as the server closes it.
KEEP_ALIVE_S = 1.0
MAX_HEADER_BYTES = 64 * 1024
_OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


@dataclass(frozen=True)
class Outcome:
    """The outcome of one attempt. Status 0 means that there was no answer; ``error`` then says why."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = field(default=b"", repr=False)
    error: str = ""
    took_s: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the message was delivered: only 200 to 299 counts, and redirects are not followed."""
        return 200 <= self.status <= 299

    @property
    def final(self) -> bool:
        """Whether the destination asked for no more retries. Both the status and the header are required."""
        header = self.headers.get("upstash-nonretryable-error", "")
        return self.status == NON_RETRYABLE_STATUS and header.lower() == "true"


class Sender:
    """Sends messages.

    ``hosts`` maps a host to an address on this machine, such as ``127.0.0.1:3000`` or ``https://127.0.0.1:3443``.
    ``ca_file`` is a PEM file with additional certificate authorities to trust. Raises OSError (including ssl.SSLError) if
    it cannot be read or contains no certificates.
    """

    def __init__(self, keys: Keys, hosts: Mapping[str, str], ca_file: Path | None, region: str) -> None:
        self._keys, self._hosts, self._region = keys, dict(hosts), region
        self._tls = ssl.create_default_context()
        if ca_file:
            self._tls.load_verify_locations(ca_file)
        self._session: aiohttp.ClientSession | None = None

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session:
            await self._session.close()

    async def send(self, message: Message) -> Outcome:
        """Make one attempt. The message's timeout covers connecting, sending and reading the answer."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(message.timeout_s):
                status, headers, body = await self._request(message)
        except TimeoutError:
            error = f"the destination did not answer within {message.timeout_s:g} s"
            return Outcome(0, error=error, took_s=time.monotonic() - started)
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as error:
            return Outcome(0, error=reason(error), took_s=time.monotonic() - started)
        return Outcome(status, headers, body, took_s=time.monotonic() - started)

    async def _request(self, message: Message) -> tuple[int, dict[str, str], bytes]:
        url, host = self._mapped(message.url)
        headers = {**message.headers, **self._added_headers(message)}
        if host:
            headers["host"] = host
        async with self._open().request(
            message.method,
            URL(url, encoded=True),
            headers=headers,
            data=message.body,
            allow_redirects=False,
            ssl=self._tls,
            server_hostname=urlsplit(f"//{host}").hostname if host else None,
        ) as response:
            kept = bytearray()
            async for chunk in response.content.iter_any():
                kept += chunk[: MAX_KEPT_BYTES - len(kept)]
            received = {name.lower(): value for name, value in response.headers.items()}
            return response.status, received, bytes(kept)

    def _added_headers(self, message: Message) -> dict[str, str]:
        headers = {
            "user-agent": "Upstash-QStash",
            "upstash-signature": self._keys.sign(message.url, message.body),
            "upstash-message-id": message.id,
            "upstash-retried": str(message.retried),
            "upstash-caller-ip": message.caller_ip,
            "upstash-region": self._region,
        }
        if message.schedule_id:
            headers["upstash-schedule-id"] = message.schedule_id
        if message.url_group:
            headers["upstash-topic-name"] = message.url_group
        return headers

    def _mapped(self, url: str) -> tuple[str, str | None]:
        # The message is signed for the public address, but the connection goes to the mapped local address.
        parts = urlsplit(url)
        target = self._hosts.get(parts.netloc)
        if not target:
            return url, None
        scheme, _, address = target.rpartition("://")
        return parts._replace(scheme=scheme or "http", netloc=address).geturl(), parts.netloc

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Concurrency is limited by the gates. A limit here would make attempts wait while their timeout is running.
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=_OWN_HEADERS,
                timeout=aiohttp.ClientTimeout(total=None),
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
            )
        return self._session


def reason(error: Exception) -> str:
    """Describe why there was no answer."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"the destination's certificate is not trusted: {error.certificate_error}"
        case aiohttp.ClientConnectorDNSError():
            return f"the name {error.host} cannot be resolved"
        case aiohttp.ClientConnectorSSLError():
            return "the destination does not use TLS: should the URL start with http:// instead of https://?"
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, ConnectionRefusedError):
            return f"connection refused: nothing listens on {error.host}:{error.port}"
        case aiohttp.ClientConnectorError():
            return f"could not connect to {error.host}:{error.port}: {error.os_error.strerror or type(error.os_error).__name__}"
        case aiohttp.ServerDisconnectedError() | ConnectionError() | aiohttp.ClientOSError():
            return "the destination closed the connection without an answer"
        case aiohttp.ClientPayloadError():
            return "the destination's answer ended early"
        case aiohttp.ClientResponseError():
            return f"the destination's answer is not valid HTTP: {error.message}"
        case _:
            return f"the request could not be sent: {type(error).__name__}"
