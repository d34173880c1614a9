"""An S3 server: SeaweedFS from its wheel, as a child process. Why this one: docs/decisions/local-storage.md."""

import json
import secrets
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.ports import EPHEMERAL, LOOPBACK, free_port, is_free
from local.process import Child

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

START_TIMEOUT_S = 30.0
ACCESS_KEY = "local-access-key"
SECRET_KEY = "local-secret-key-for-one-machine"
BUCKET = "recordings"
# SeaweedFS looks for its admin server's gRPC at this distance from its port.
GRPC_OFFSET = 10_000


class Storage:
    """A server with its objects in ``directory``, one bucket and one pair of keys. A context manager."""

    access_key, secret_key, bucket = ACCESS_KEY, SECRET_KEY, BUCKET

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self._sockets = self.directory / "sockets"
        self._child: Child | None = None
        self._client: S3Client | None = None
        self.port = 0

    @property
    def endpoint_url(self) -> str:
        """Where S3 clients connect."""
        return f"http://{LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, port: int | None = None) -> None:
        """Start and wait until the bucket is there. Raises ChildDied, TimeoutError."""
        (self.directory / "data").mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self._remove_sockets()
        self._child = Child("the S3 server", self._command(), self.directory / "storage.log", cwd=self.directory)
        self._child.wait_until(self._answers, START_TIMEOUT_S, port=self.port)

    @property
    def running(self) -> bool:
        """False once the server has ended."""
        return self._child is not None and self._child.running

    def restart(self) -> None:
        """Start it again on the same port. Raises ChildDied, TimeoutError."""
        self.stop()
        self.start(self.port)

    def stop(self) -> None:
        """Stop the server; the objects stay. Idempotent."""
        if self._child is not None:
            self._child.stop(signal.SIGTERM)
            self._child = None
            self._remove_sockets()

    def kill(self) -> None:
        """End the server as a crash would."""
        if self._child is not None:
            self._child.stop(signal.SIGKILL)
            self._child = None

    def stored_keys(self) -> list[str]:
        """The keys of all objects stored."""
        return [item.get("Key", "") for item in self.client().list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def client(self) -> "S3Client":
        """A boto3 client of this server, made once: that takes longer than most calls."""
        if self._client is None or self._client.meta.endpoint_url != self.endpoint_url:
            self._client = self._open()
        return self._client

    def _open(self) -> "S3Client":
        return boto3.client(  # pyright: ignore[reportUnknownMemberType]  # its stubs cover every service but those not installed
            "s3",
            endpoint_url=self.endpoint_url,
            region_name="auto",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, s3={"addressing_style": "path"}),
        )

    def _remove_sockets(self) -> None:
        """SeaweedFS leaves these where nobody can choose another place, the last time's too if it was killed."""
        if self._sockets.exists():
            for line in self._sockets.read_text().splitlines():
                # One of that name may be another user's.
                with suppress(OSError):
                    Path(line).unlink()

    def _command(self) -> list[str | Path]:
        identity = {
            "name": "local",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List"],
        }
        config = self.directory / "identities.json"
        config.write_text(json.dumps({"identities": [identity]}))
        (self.directory / "security.toml").write_text(_tokens())
        # The port of S3 is not bound yet, so it may be chosen once more.
        chosen = iter(port for port in iter(free_port, None) if port != self.port)
        grpc = {server: next(chosen) for server in ("master", "volume", "filer")}
        ports: list[str] = []
        for server, port in grpc.items():
            ports += [f"-{server}.port={next(chosen)}", f"-{server}.port.grpc={port}"]
        admin = next(port for port in chosen if port + GRPC_OFFSET < EPHEMERAL and is_free(port + GRPC_OFFSET))
        grpc["admin"] = admin + GRPC_OFFSET
        self._sockets.write_text(
            "\n".join(f"/tmp/seaweedfs-{server}-grpc-{port}.sock" for server, port in grpc.items())
        )
        return [
            *(Path(sys.executable).parent / "weed", "-logtostderr=true", "-v=-1", "mini"),
            *(f"-dir={self.directory / 'data'}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}"),
            *(f"-s3.config={config}", f"-bucket={BUCKET}", f"-s3.port={self.port}", f"-s3.port.grpc={next(chosen)}"),
            *(*ports, f"-admin.port={admin}", f"-admin.port.grpc={admin + GRPC_OFFSET}"),
            # Without a whole path of ours these are sockets in the folder for temporary files.
            *("-s3.localSocket=s3.sock", "-filer.localSocket=filer.sock"),
            # No page of another site reads from the servers behind S3, which ask for a token besides (security.toml).
            "-filer.allowedOrigins=http://localhost",
            *("-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
            *("-master.telemetry=false", "-volume.preStopSeconds=0", "-master.volumeSizeLimitMB=256"),
        ]

    def _answers(self) -> bool:
        try:
            self.client().head_bucket(Bucket=BUCKET)
        except (BotoCoreError, ClientError):
            return False
        return True


def _tokens() -> str:
    """SeaweedFS's security.toml, read from the folder it runs in: S3 alone may use the servers behind it."""
    sections = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
    return "".join(f'[{name}]\nkey = "{secrets.token_hex(16)}"\nexpires_after_seconds = 60\n' for name in sections)
