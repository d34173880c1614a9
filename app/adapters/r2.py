"""Cloudflare R2: recordings are kept here for the minutes until they are transcribed."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import wraps
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, ParamSpec, TypeVar

from app.adapters.s3 import PAGE as S3_PAGE
from app.adapters.s3 import S3
from app.errors import Permanent, Unavailable
from app.lazy import LazyClient
from app.recordings.recording import SPOOL_BYTES, Audio

if TYPE_CHECKING:
    from aiohttp import ClientResponse

CHUNK_BYTES = 256 * 1024
# For a URL that is used immediately.
SIGNED_FOR_S = 300

# The key prefix of every recording. A lifecycle rule, the last safety net, deletes what is left there after a week.
PREFIX = "sessions/"
EXPIRES_DAYS = 7

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


def _twice(request: Callable[Arguments, Awaitable[Result]]) -> Callable[Arguments, Coroutine[Any, Any, Result]]:
    @wraps(request)
    async def repeated(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return await request(*args, **kwargs)
        except Unavailable:
            return await request(*args, **kwargs)

    return repeated


@dataclass(frozen=True)
class Stored:
    """An object's metadata."""

    size_bytes: int
    content_type: str


@dataclass(frozen=True)
class StoredObject:
    """An object of the bucket: its key, and when it was stored, in seconds since 1970."""

    key: str
    modified_at: float


@dataclass(frozen=True)
class Rules:
    """After how many days recordings expire, if ever, and the origins whose pages may upload directly."""

    expires_days: int | None
    origins: tuple[str, ...]


class R2:
    """The bucket. Every request is idempotent, and is repeated once if storage does not answer."""

    def __init__(self, client: LazyClient[S3], bucket: str) -> None:
        self._client, self._bucket = client, bucket

    @_twice
    async def upload(self, key: str, file: IO[bytes], size_bytes: int, content_type: str) -> None:
        """Store ``file``, read from its start, under ``key``. Overwrites. Raises Unavailable."""
        headers = {"Content-Type": content_type, "Content-Length": str(size_bytes)}
        file.seek(0)
        async with await self._request("PUT", key, headers=headers, data=_pieces(file)):
            pass

    @_twice
    async def download(self, key: str, session_id: str) -> Audio:
        """The recording, in a temporary file that the caller closes. Raises Permanent if it is not there, Unavailable."""
        async with await self._request("GET", key) as response:
            if response.status == 404:
                raise Permanent("The recording is not in storage")
            return await _spooled(response, session_id)

    @_twice
    async def look(self, key: str) -> Stored | None:
        """What is stored under ``key``, or None. Raises Unavailable."""
        async with await self._request("HEAD", key) as response:
            if response.status == 404:
                return None
            size = response.headers.get("Content-Length", "")
            return Stored(int(size) if size.isdecimal() else 0, response.headers.get("Content-Type", ""))

    async def signed_upload(self, key: str, size_bytes: int, content_type: str, expires_s: int) -> str:
        """A URL for one PUT of exactly that size and type, valid for ``expires_s`` seconds."""
        headers = {"Content-Type": content_type, "Content-Length": str(size_bytes)}
        return (await self._client()).sign("PUT", self._bucket, key, headers, expires_s)

    @_twice
    async def delete(self, key: str) -> None:
        """Delete the object; one that is not there is deleted already. Raises Unavailable."""
        async with await self._request("DELETE", key):
            pass

    async def delete_below(self, prefix: str) -> int:
        """Delete every object whose key begins with ``prefix``; how many there were. Raises Unavailable."""
        deleted = 0
        async for page in self.pages(prefix):
            for stored in page:
                await self.delete(stored.key)
                deleted += 1
        return deleted

    async def pages(self, prefix: str, after: str = "") -> AsyncGenerator[list[StoredObject], None]:
        """The objects below ``prefix`` whose keys come after ``after``, in order, a thousand at a time. Raises Unavailable."""
        s3 = await self._client()
        while page := await s3.list_page(self._bucket, prefix, after):
            yield [StoredObject(key, modified_at) for key, modified_at in page]
            if len(page) < S3_PAGE:
                return
            after = page[-1][0]

    async def rules(self) -> Rules:
        """The bucket's rules for recordings. Raises Unavailable."""
        expiries, origins = await (await self._client()).rules(self._bucket)
        return Rules(expiries.get(PREFIX) or expiries.get(""), tuple(origins))

    async def install_rules(self, origins: list[str]) -> None:
        """Have recordings expire after EXPIRES_DAYS, and let pages of ``origins`` upload. Overwrites. Raises Unavailable."""
        await (await self._client()).install_rules(self._bucket, PREFIX, EXPIRES_DAYS, origins)

    async def _request(
        self, method: str, key: str, headers: dict[str, str] | None = None, data: Any = None
    ) -> "AbstractAsyncContextManager[ClientResponse]":
        s3 = await self._client()
        url = s3.sign(method, self._bucket, key, headers or {}, SIGNED_FOR_S)
        return s3.send(method, url, headers, data)


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
    if size_bytes != response.content_length:
        # A truncated recording would be transcribed as if it were complete, and then be deleted.
        file.close()
        raise Unavailable("The recording arrived incomplete from storage")
    file.seek(0)
    return Audio(file, response.headers.get("Content-Type", ""), size_bytes, session_id)
