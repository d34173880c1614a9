"""Cloudflare R2, through its S3 interface: recordings are kept here for the minutes until they are written down."""

import asyncio
from collections.abc import Callable
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, TypeVar

from app.audio import SPOOL_BYTES, Audio
from app.errors import Permanent, Unavailable
from app.lazily import Lazily

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CHUNK_BYTES = 256 * 1024


CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 20

_MISSING = {"NoSuchKey", "404", "NotFound"}

Result = TypeVar("Result")


class R2:
    """The bucket. boto3 is synchronous, so each call runs in a worker thread."""

    def __init__(self, client: "Lazily[S3Client]", bucket: str) -> None:
        self._client, self._bucket = client, bucket

    async def upload(self, key: str, file: IO[bytes], content_type: str) -> None:
        """Store ``file``, read from its start, under ``key``. Overwrites. Raises Unavailable."""
        client = await self._client()
        await _in_thread(lambda: client.put_object(Bucket=self._bucket, Key=key, Body=file, ContentType=content_type))

    async def download(self, key: str, session_id: str) -> Audio:
        """The recording, in a temporary file that the caller closes. Raises Permanent if it is not there, Unavailable."""
        client = await self._client()
        return await _in_thread(lambda: _download(client, self._bucket, key, session_id))

    async def delete(self, key: str) -> None:
        """Delete the object; one that is not there is deleted already. Raises Unavailable."""
        client = await self._client()
        await _in_thread(lambda: client.delete_object(Bucket=self._bucket, Key=key))

    async def delete_below(self, prefix: str) -> int:
        """Delete every object whose key begins with ``prefix``; how many there were. Raises Unavailable."""
        client = await self._client()
        return await _in_thread(lambda: _delete_below(client, self._bucket, prefix))


def _delete_below(client: "S3Client", bucket: str, prefix: str) -> int:
    keys = [item.get("Key", "") for item in client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]
    for key in keys:
        client.delete_object(Bucket=bucket, Key=key)
    return len(keys)


def _download(client: "S3Client", bucket: str, key: str, session_id: str) -> Audio:
    answer = client.get_object(Bucket=bucket, Key=key)
    file = SpooledTemporaryFile[bytes](max_size=SPOOL_BYTES)
    try:
        for chunk in answer["Body"].iter_chunks(CHUNK_BYTES):
            file.write(chunk)
    except BaseException:
        file.close()
        raise
    size_bytes = file.tell()
    file.seek(0)
    return Audio(file, answer["ContentType"], size_bytes, session_id)


async def _in_thread(call: Callable[[], Result]) -> Result:
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from urllib3.exceptions import HTTPError

    try:
        return await asyncio.to_thread(call)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _MISSING:
            raise Permanent("The recording is not in storage") from None
        raise Unavailable("The storage refused the request") from None
    # urllib3's own errors come through while a body is read.
    except (BotoCoreError, HTTPClientError, HTTPError, OSError):
        raise Unavailable("The storage did not answer") from None


def open_s3(url: str, access_key_id: str, secret_access_key: str) -> "S3Client":
    """A client for R2, or for anything that speaks S3 at ``url``. Opens no connection yet."""
    import boto3
    from botocore.config import Config

    return boto3.client(  # pyright: ignore[reportUnknownMemberType]  # its stubs cover every service but those not installed
        "s3",
        endpoint_url=url,
        region_name="auto",
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": 2},
            max_pool_connections=32,
            # boto3 adds CRC32 checksums unasked since 1.36; stores other than Amazon's have refused them.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
        ),
    )


async def close_s3(client: "S3Client") -> None:
    """Close the client's connections."""
    await asyncio.to_thread(client.close)
