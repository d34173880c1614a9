"""A recording that arrives incomplete from storage is not transcribed as if it were complete."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from app.adapters.lazy import LazyClient
from app.adapters.r2.s3 import S3
from app.adapters.r2.storage import R2
from app.errors import Unavailable
from local.ports import LOOPBACK

CONTENT = b"x" * 1000


@asynccontextmanager
async def bucket(*answers: bytes) -> AsyncGenerator[R2, None]:
    """A bucket on a stand-in for storage that sends these bytes as its answers, in order."""
    script = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(script.pop(0))
        writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    client = LazyClient(partial(S3, f"http://{LOOPBACK}:{port}", "key", "secret"))
    async with server:
        try:
            yield R2(client, "recordings")
        finally:
            await client.aclose()


def answer(head: bytes, body: bytes) -> bytes:
    """An answer of storage."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: audio/webm\r\nConnection: close\r\n" + head + b"\r\n\r\n" + body


WHOLE = answer(b"Content-Length: 1000", CONTENT)
CUT = answer(b"Content-Length: 1000", CONTENT[:600])
UNMEASURED = answer(b"X: y", CONTENT[:600])
CHUNKED = answer(b"Transfer-Encoding: chunked", b"258\r\n" + CONTENT[:600] + b"\r\n0\r\n\r\n")


@pytest.mark.anyio
@pytest.mark.parametrize("short", [CUT, UNMEASURED, CHUNKED])
async def test_a_recording_that_arrives_incomplete_is_fetched_again(short: bytes) -> None:
    """Truncated, or without a length: it is downloaded once more, and then storage counts as unavailable."""
    async with bucket(short, WHOLE) as r2:
        audio = await r2.download("sessions/u/s/audio.webm", "s")
        with audio.file:
            assert audio.file.read() == CONTENT
    async with bucket(short, short) as r2:
        with pytest.raises(Unavailable):
            await r2.download("sessions/u/s/audio.webm", "s")
