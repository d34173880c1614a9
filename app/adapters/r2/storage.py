"""Cloudflare R2: stores recordings for the minutes until they are transcribed."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, ParamSpec, TypeVar

from app.adapters.lazy import LazyClient
from app.adapters.r2.s3 import KEYS_PER_PAGE, S3
from app.audio.recording import SPOOL_BYTES, AudioFile
from app.errors import AudioMissing, Unavailable

if TYPE_CHECKING:
    from aiohttp import ClientResponse

CHUNK_BYTES = 256 * 1024

# The key prefix of every recording. A lifecycle rule, the last safety net, deletes what is left there after a week.
PREFIX = "sessions/"
EXPIRES_DAYS = 7

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


def _retry_once(request: Callable[Arguments, Awaitable[Result]]) -> Callable[Arguments, Coroutine[Any, Any, Result]]:
    @wraps(request)
    async def repeated(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return await request(*args, **kwargs)
        except Unavailable:
            return await request(*args, **kwargs)

    return repeated


@dataclass(frozen=True)
class ObjectMetadata:
    """An object's metadata."""

    size_bytes: int
    content_type: str


class R2:
    """The bucket. Every request is idempotent, and is repeated once if storage does not answer."""

    def __init__(self, client: LazyClient[S3], bucket: str) -> None:
        self._client, self._bucket = client, bucket

    @_retry_once
    async def upload(self, key: str, file: IO[bytes], size_bytes: int, content_type: str) -> None:
        """Store ``file``, read from its start, under ``key``. Overwrites. Raises Unavailable."""
        headers = {"Content-Type": content_type, "Content-Length": str(size_bytes)}
        file.seek(0)
        async with (await self._client()).request("PUT", self._bucket, key, headers, _file_chunks(file)):
            pass

    @_retry_once
    async def download(self, key: str, session_id: str) -> AudioFile:
        """The recording, in a temporary file that the caller closes. Raises AudioMissing, Unavailable."""
        async with (await self._client()).request("GET", self._bucket, key) as response:
            if response.status == 404:
                raise AudioMissing
            return await _spooled(response, session_id)

    @_retry_once
    async def head(self, key: str) -> ObjectMetadata | None:
        """The metadata of the object at ``key``, or None. Raises Unavailable."""
        async with (await self._client()).request("HEAD", self._bucket, key) as response:
            if response.status == 404:
                return None
            size = response.headers.get("Content-Length", "")
            return ObjectMetadata(int(size) if size.isdecimal() else 0, response.headers.get("Content-Type", ""))

    async def signed_upload(self, key: str, size_bytes: int, content_type: str, expires_s: int) -> str:
        """A URL for one PUT of exactly that size and type, valid for ``expires_s`` seconds."""
        headers = {"Content-Type": content_type, "Content-Length": str(size_bytes)}
        return (await self._client()).sign("PUT", self._bucket, key, headers, expires_s)

    @_retry_once
    async def delete(self, key: str) -> None:
        """Delete the object; no error if there is none. Raises Unavailable."""
        async with (await self._client()).request("DELETE", self._bucket, key):
            pass

    async def delete_prefix(self, prefix: str) -> int:
        """Delete every object whose key begins with ``prefix``, and return their number. Raises Unavailable."""
        deleted = 0
        async for page in self.pages(prefix):
            for key in page:
                await self.delete(key)
            deleted += len(page)
        return deleted

    async def pages(self, prefix: str, after: str = "") -> AsyncGenerator[dict[str, float], None]:
        """Keys below ``prefix`` after ``after`` in order, a thousand at a time, each with its Unix time. Raises Unavailable."""
        s3 = await self._client()
        while page := await s3.list_page(self._bucket, prefix, after):
            yield page
            if len(page) < KEYS_PER_PAGE:
                return
            after = next(reversed(page))

    async def rules(self) -> tuple[int | None, list[str]]:
        """After how many days recordings expire, if ever, and the origins whose pages may upload directly. Raises Unavailable."""
        expiries, origins = await (await self._client()).rules(self._bucket)
        return expiries.get(PREFIX) or expiries.get(""), origins

    async def install_rules(self, origins: list[str]) -> None:
        """Let recordings expire after EXPIRES_DAYS, and pages of ``origins`` upload. Keeps other rules. Raises Unavailable."""
        await (await self._client()).install_rules(self._bucket, PREFIX, EXPIRES_DAYS, origins)


async def _file_chunks(file: IO[bytes]) -> AsyncGenerator[bytes, None]:
    while piece := file.read(CHUNK_BYTES):
        yield piece


async def _spooled(response: "ClientResponse", session_id: str) -> AudioFile:
    file = SpooledTemporaryFile[bytes](max_size=SPOOL_BYTES)
    try:
        async for piece in response.content.iter_any():
            file.write(piece)
    except BaseException:
        file.close()
        raise
    size_bytes = file.tell()
    if size_bytes != response.content_length:
        # A truncated recording would be transcribed as if it were complete, and then be deleted.
        file.close()
        raise Unavailable("The recording arrived incomplete from storage")
    file.seek(0)
    return AudioFile(file, response.headers.get("Content-Type", ""), size_bytes, session_id)
