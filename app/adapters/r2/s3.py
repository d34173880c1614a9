"""A client for any S3-compatible storage: botocore signs requests, which needs no network, and aiohttp sends them.

This way no request occupies a thread, no recording is held in memory, and an upload takes half of boto3's CPU
(docs/decisions/cpu.md). boto3 only lists objects and reads and writes the bucket's rules; it is loaded on first use.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from app.errors import StorageDown, Unavailable

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from mypy_boto3_s3 import S3Client

CONNECT_TIMEOUT_S = 3
# The longest wait for the next byte of the response.
READ_TIMEOUT_S = 20
# Objects per page, the most that S3 returns.
KEYS_PER_PAGE = 1000
# The only region that R2 has. Other stores accept any. https://developers.cloudflare.com/r2/api/s3/api/
REGION = "auto"
# For a URL that is used immediately.
SIGNED_FOR_S = 300
# For a whole transfer: 50 MiB at half a megabyte a second.
TRANSFER_TIMEOUT_S = 100


class S3:
    """Opens no connection before it is used. Created in a thread, because importing botocore is slow."""

    def __init__(self, url: str, access_key_id: str, secret_access_key: str) -> None:
        from botocore.credentials import Credentials  # noqa: PLC0415  # 0.1 s: at the first use of storage, in a thread

        self._url, self._credentials = url, Credentials(access_key_id, secret_access_key)

    @cached_property
    def _boto(self) -> "S3Client":
        # In a thread: it takes 0.2 s, and 20 MB.
        import boto3  # noqa: PLC0415  # 0.1 s, for sweeps and commands only
        from botocore.config import Config  # noqa: PLC0415  # loaded by boto3

        # A session of our own, because boto3's default session is not thread-safe.
        try:
            return boto3.Session().client(  # pyright: ignore[reportUnknownMemberType]  # its stubs cover only S3
                "s3",
                endpoint_url=self._url,
                region_name=REGION,
                aws_access_key_id=self._credentials.access_key,
                aws_secret_access_key=self._credentials.secret_key,
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
        except ValueError:
            raise Unavailable("R2_ENDPOINT_URL is not an address that S3's SDK accepts") from None

    @cached_property
    def _http(self) -> "ClientSession":
        # Made in the running event loop.
        from aiohttp import ClientSession, ClientTimeout  # noqa: PLC0415  # 0.17 s: at the first use of storage

        limits = ClientTimeout(TRANSFER_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S, sock_read=READ_TIMEOUT_S)
        # The bytes as they are stored: compression is neither requested nor decoded.
        return ClientSession(timeout=limits, auto_decompress=False, headers={"Accept-Encoding": "identity"})

    def sign(self, method: str, bucket: str, key: str, headers: Mapping[str, str], expires_s: int) -> str:
        """A URL for a request of that method with exactly these headers, valid for ``expires_s`` seconds."""
        from botocore.auth import S3SigV4QueryAuth  # noqa: PLC0415  # 0.1 s, already loaded by __init__
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415  # 0.1 s, already loaded by __init__

        request = AWSRequest(method, f"{self._url}/{bucket}/{quote(key, safe='/~')}", headers)
        S3SigV4QueryAuth(self._credentials, "s3", REGION, expires=expires_s).add_auth(request)
        return str(request.url)

    @asynccontextmanager
    async def request(
        self, method: str, bucket: str, key: str, headers: Mapping[str, str] | None = None, data: Any = None
    ) -> "AsyncGenerator[ClientResponse, None]":
        """The answer to a signed request, if its status is below 300 or 404. Raises Unavailable."""
        from aiohttp import ClientError  # noqa: PLC0415  # 0.1 s: at the first request
        from yarl import URL  # noqa: PLC0415  # loaded by aiohttp

        url = self.sign(method, bucket, key, headers or {}, SIGNED_FOR_S)
        try:
            async with self._http.request(method, URL(url, encoded=True), headers=headers, data=data) as response:
                # A missing object is an answer; a missing bucket is a configuration error.
                missing = response.status == 404 and b"NoSuchBucket" not in await response.content.read()
                if response.status >= 300 and (not missing or method == "PUT"):
                    raise Unavailable("The storage refused the request")
                yield response
        except (ClientError, TimeoutError, OSError):
            raise StorageDown from None

    async def list_page(self, bucket: str, prefix: str, after: str) -> dict[str, float]:
        """At most KEYS_PER_PAGE keys with ``prefix`` after ``after``, each with its modification time. Raises Unavailable."""
        found = await self._call(
            lambda s3: s3.list_objects_v2(Bucket=bucket, Prefix=prefix, StartAfter=after, MaxKeys=KEYS_PER_PAGE)
        )
        items = found.get("Contents", [])
        return {
            item["Key"]: item["LastModified"].timestamp() for item in items if {"Key", "LastModified"} <= item.keys()
        }

    async def rules(self, bucket: str) -> tuple[dict[str, int], list[str]]:
        """The bucket's expiry rules, prefix to days, and the origins that may upload. Raises Unavailable."""
        lifecycle, cors = await self._written(bucket)
        expiries: dict[str, int] = {}
        for rule in lifecycle:
            narrowed = rule.get("Filter", {"Prefix": rule.get("Prefix", "")})
            days = rule.get("Expiration", {}).get("Days")
            # A filter by tag or size leaves recordings out.
            if days and rule.get("Status") == "Enabled" and narrowed.keys() <= {"Prefix"}:
                expiries[narrowed.get("Prefix", "")] = days
        origins = {
            origin
            for rule in cors
            if "PUT" in rule.get("AllowedMethods", [])
            if {"*", "content-type"} & {header.lower() for header in rule.get("AllowedHeaders", [])}
            for origin in rule["AllowedOrigins"]
        }
        return expiries, sorted(origins)

    async def install_rules(self, bucket: str, prefix: str, days: int, origins: list[str]) -> None:
        """Let objects below ``prefix`` expire, and pages of ``origins`` upload. Keeps other rules. Raises Unavailable."""
        ours = {"ID": "recordings", "Status": "Enabled", "Filter": {"Prefix": prefix}, "Expiration": {"Days": days}}
        # The browser sends the type, and reads no header: https://developers.cloudflare.com/r2/buckets/cors/
        upload = {"AllowedMethods": ["PUT"], "AllowedHeaders": ["content-type"], "MaxAgeSeconds": 600}
        lifecycle, allowed = await self._written(bucket)
        expiry: Any = {"Rules": [*(rule for rule in lifecycle if rule.get("ID") != ours["ID"]), ours]}
        others = (rule for rule in allowed if not upload.items() <= rule.items())
        cors: Any = {"CORSRules": [*others, {"AllowedOrigins": origins, **upload}]}
        refused = "Storage did not accept the rules: the key must be allowed to administer the bucket"
        await self._call(
            lambda s3: s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=expiry), refused
        )
        await self._call(lambda s3: s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=cors), refused)

    async def _written(self, bucket: str) -> tuple[list[Any], list[Any]]:
        """The lifecycle rules and the CORS rules that the bucket has."""
        refused = "Storage does not return its rules"
        return (
            await self._call(
                lambda s3: s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"],
                refused,
                none="NoSuchLifecycleConfiguration",
            ),
            await self._call(
                lambda s3: s3.get_bucket_cors(Bucket=bucket)["CORSRules"], refused, none="NoSuchCORSConfiguration"
            ),
        )

    async def _call(
        self, call: "Callable[[S3Client], Any]", refused: str = StorageDown.message, *, none: str = ""
    ) -> Any:
        """Run a call of boto3 in a thread. An empty list if the error code is ``none``. Raises Unavailable."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # 0.1 s, already loaded by __init__

        try:
            return await asyncio.to_thread(lambda: call(self._boto))
        except ClientError as error:
            if none and error.response.get("Error", {}).get("Code") == none:
                return []
            raise Unavailable(refused) from None
        except (BotoCoreError, OSError):
            raise StorageDown from None

    async def close(self) -> None:
        """Close the connections."""
        if "_http" in vars(self):
            await self._http.close()
        if "_boto" in vars(self):
            await asyncio.to_thread(self._boto.close)
