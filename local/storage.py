"""Runs an S3 server, SeaweedFS from its wheel, as a child process. See docs/decisions/local-storage.md."""

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
# SeaweedFS expects its admin server's gRPC port at this offset from the HTTP port.
GRPC_OFFSET = 10_000


class Storage:
    """A server with its objects in ``directory``, one bucket and one key pair. A context manager."""

    access_key, secret_key, bucket = ACCESS_KEY, SECRET_KEY, BUCKET

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self._sockets = self.directory / "sockets"
        self._child: Child | None = None
        self._client: S3Client | None = None
        self.port = 0

    @property
    def endpoint_url(self) -> str:
        """The URL for S3 clients."""
        return f"http://{LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, port: int | None = None) -> None:
        """Start, and wait until the bucket exists. Raises ChildDied, TimeoutError."""
        (self.directory / "data").mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self._remove_sockets()
        self._child = Child("the S3 server", self._command(), self.directory / "storage.log", cwd=self.directory)
        self._child.wait_until(self._answers, START_TIMEOUT_S, port=self.port)

    @property
    def running(self) -> bool:
        """False once the server has exited."""
        return self._child is not None and self._child.running

    def restart(self) -> None:
        """Stop and start on the same port. Raises ChildDied, TimeoutError."""
        self.stop()
        self.start(self.port)

    def stop(self) -> None:
        """Stop the server and keep the objects. Idempotent."""
        if self._child is not None:
            self._child.stop(signal.SIGTERM)
            self._child = None
            self._remove_sockets()

    def kill(self) -> None:
        """Kill the server, as a crash would."""
        if self._child is not None:
            self._child.stop(signal.SIGKILL)
            self._child = None

    def stored_keys(self) -> list[str]:
        """Return the keys of all stored objects."""
        return [item.get("Key", "") for item in self.client().list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def client(self) -> "S3Client":
        """Return a boto3 client for this server. It is cached: creating one takes longer than most calls."""
        if self._client is None or self._client.meta.endpoint_url != self.endpoint_url:
            self._client = self._create_client()
        return self._client

    def _create_client(self) -> "S3Client":
        # boto3's overloads include services whose stubs are not installed.
        return boto3.client(  # pyright: ignore[reportUnknownMemberType]
            "s3",
            endpoint_url=self.endpoint_url,
            region_name="auto",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, s3={"addressing_style": "path"}),
        )

    def _remove_sockets(self) -> None:
        """Remove the sockets that SeaweedFS left behind, even if it was killed. Their folder cannot be configured."""
        if self._sockets.exists():
            for line in self._sockets.read_text().splitlines():
                # A file of that name may belong to another user.
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
        # The S3 port is not bound yet, so exclude it.
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
            # By default, these sockets are in the folder for temporary files.
            *("-s3.localSocket=s3.sock", "-filer.localSocket=filer.sock"),
            # Keeps other sites' pages from reading the servers behind S3. Those require a token, too (security.toml).
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
    """Return SeaweedFS's security.toml, read from its working directory: only S3 may use the servers behind it."""
    sections = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
    return "".join(f'[{name}]\nkey = "{secrets.token_hex(16)}"\nexpires_after_seconds = 60\n' for name in sections)
