"""Cloudflare R2, through its S3 interface: recordings are kept here for the minutes until they are written down.

boto3 signs, which needs no network; aiohttp moves the bytes, so that nothing waits in a thread and no recording is held in
memory. A call of boto3's own costs three times as much CPU (docs/decisions/cpu.md).
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cached_property
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, TypeVar

from app.audio import SPOOL_BYTES, Audio
from app.errors import Permanent, Unavailable
from app.lazily import Lazily

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from mypy_boto3_s3 import S3Client

CHUNK_BYTES = 256 * 1024
CONNECT_TIMEOUT_S = 3
# Without a byte of the answer.
READ_TIMEOUT_S = 20
# For a whole transfer: 50 MiB at half a megabyte a second.
TRANSFER_TIMEOUT_S = 100
SIGNED_FOR_S = 300

Result = TypeVar("Result")


class R2:
    """The bucket. Every request may be repeated, and is, once, when storage does not answer."""

    def __init__(self, client: "Lazily[S3]", bucket: str) -> None:
        self._client, self._bucket = client, bucket

    async def upload(self, key: str, file: IO[bytes], size_bytes: int, content_type: str) -> None:
        """Store ``file``, read from its start, under ``key``. Overwrites. Raises Unavailable."""
        headers = {"Content-Type": content_type, "Content-Length": str(size_bytes)}

        async def put() -> None:
            file.seek(0)
            async with self._request("put_object", key, headers=headers, data=_pieces(file)):
                pass

        await _twice(put)

    async def download(self, key: str, session_id: str) -> Audio:
        """The recording, in a temporary file that the caller closes. Raises Permanent if it is not there, Unavailable."""

        async def get() -> Audio:
            async with self._request("get_object", key) as response:
                if response.status == 404:
                    raise Permanent("The recording is not in storage")
                return await _spooled(response, session_id)

        return await _twice(get)

    async def delete(self, key: str) -> None:
        """Delete the object; one that is not there is deleted already. Raises Unavailable."""

        async def delete() -> None:
            async with self._request("delete_object", key):
                pass

        await _twice(delete)

    async def delete_below(self, prefix: str) -> int:
        """Delete every object whose key begins with ``prefix``; how many there were. Raises Unavailable."""
        from botocore.exceptions import BotoCoreError, ClientError

        s3 = (await self._client()).boto
        try:
            found = await asyncio.to_thread(s3.list_objects_v2, Bucket=self._bucket, Prefix=prefix)
        except (BotoCoreError, ClientError, OSError):
            raise Unavailable("The storage did not answer") from None
        keys = [item.get("Key", "") for item in found.get("Contents", [])]
        for key in keys:
            await self.delete(key)
        return len(keys)

    @asynccontextmanager
    async def _request(
        self, operation: str, key: str, headers: dict[str, str] | None = None, data: Any = None
    ) -> "AsyncGenerator[ClientResponse, None]":
        # The answer to a signed request, of a status below 300 or 404. Raises Unavailable.
        from aiohttp import ClientError
        from yarl import URL

        s3 = await self._client()
        signed = {"Bucket": self._bucket, "Key": key}
        if headers:
            signed["ContentType"] = headers["Content-Type"]
        url = s3.boto.generate_presigned_url(operation, Params=signed, ExpiresIn=SIGNED_FOR_S)
        method = {"put_object": "PUT", "get_object": "GET", "delete_object": "DELETE"}[operation]
        try:
            async with s3.http.request(method, URL(url, encoded=True), headers=headers, data=data) as response:
                if response.status >= 300 and response.status != 404:
                    raise Unavailable("The storage refused the request")
                yield response
        except (ClientError, TimeoutError, OSError):
            raise Unavailable("The storage did not answer") from None


async def _twice(request: Callable[[], Awaitable[Result]]) -> Result:
    try:
        return await request()
    except Unavailable:
        return await request()


async def _pieces(file: IO[bytes]) -> AsyncGenerator[bytes, None]:
    while piece := file.read(CHUNK_BYTES):
        yield piece


async def _spooled(response: "ClientResponse", session_id: str) -> Audio:
    file = SpooledTemporaryFile[bytes](max_size=SPOOL_BYTES)
    try:
        async for piece in response.content.iter_any():
            file.write(piece)
    except BaseException:
        file.close()
        raise
    size_bytes = file.tell()
    file.seek(0)
    return Audio(file, response.headers.get("Content-Type", ""), size_bytes, session_id)


class S3:
    """A client for R2, or for anything that speaks S3: ``boto`` signs and lists, ``http`` sends. Opens no connection yet."""

    def __init__(self, url: str, access_key_id: str, secret_access_key: str) -> None:
        import boto3
        from botocore.config import Config

        self.boto: S3Client = boto3.client(  # pyright: ignore[reportUnknownMemberType]  # its stubs cover only S3
            "s3",
            endpoint_url=url,
            region_name="auto",
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            config=Config(
                signature_version="s3v4",
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
                retries={"mode": "standard", "total_max_attempts": 2},
                # boto3 adds CRC32 checksums unasked since 1.36; stores other than Amazon's have refused them.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path"},
            ),
        )

    @cached_property
    def http(self) -> "ClientSession":
        """The connections, made in the running event loop."""
        from aiohttp import ClientSession, ClientTimeout

        limits = ClientTimeout(TRANSFER_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S, sock_read=READ_TIMEOUT_S)
        # The bytes as they are: never asked for, nor taken as, compressed.
        return ClientSession(timeout=limits, auto_decompress=False, headers={"Accept-Encoding": "identity"})


async def close_s3(client: S3) -> None:
    """Close the client's connections."""
    if "http" in vars(client):
        await client.http.close()
    await asyncio.to_thread(client.boto.close)
