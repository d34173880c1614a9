"""Builds and serves the small Next.js site in ``site/``, completed with the code shown in docs/frontend.md."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.migrate import ROOT, node
from local.ports import LOOPBACK, SavedPorts, free_port
from local.process import Child
from local.stack import Stack
from local.supervision import answers

SOURCES = Path(__file__).parent / "site"
# `make frontend-test` installs the packages here, one folder per version of Next.js.
BUILDS = ROOT / ".local" / "frontend"
START_TIMEOUT_S = 60.0
BUILD_TIMEOUT_S = 400.0


@dataclass(frozen=True)
class Website:
    """A served site."""

    version: str
    url: str
    log: Path


def documented(opening: str, kind: str = "ts") -> str:
    """The code block in docs/frontend.md that begins with ``opening``."""
    page = (ROOT / "docs" / "frontend.md").read_text()
    [block] = re.findall(rf"```{kind}\n({re.escape(opening)}.*?)```", page, re.DOTALL)
    return block


def bucket_cors(origin: str) -> list[dict[str, object]]:
    """The CORS rule of docs/frontend.md for ``origin``."""
    return json.loads(documented("[{", "json").replace("https://app.example.com", origin))


def assemble(version: str) -> Path:
    """Assemble the site, and return its folder. Names that changed in Next.js 16 are replaced, as documented."""
    directory = BUILDS / version
    assert (directory / "node_modules").is_dir(), "its packages are missing: run make frontend-test"
    shutil.copytree(SOURCES, directory, dirs_exist_ok=True)
    config = documented("import type { NextConfig }")
    (directory / "upload.ts").write_text(documented("export async function upload"))
    if version == "next16":
        config = config.replace("middlewareClientMaxBodySize", "proxyClientMaxBodySize")
        middleware = directory / "middleware.ts"
        (directory / "proxy.ts").write_text(middleware.read_text().replace("function middleware", "function proxy"))
        middleware.unlink()
    (directory / "next.config.ts").write_text(config)
    return directory


def build(version: str, api_url: str) -> Path:
    """Build the site for the service at ``api_url``, unless it is already built, and return its folder."""
    directory = assemble(version)
    marker, wanted = directory / ".next" / "built-from", _fingerprint(directory, api_url)
    if marker.exists() and marker.read_text() == wanted:
        return directory
    env = {**_environment(), "PYTHON_API_URL": api_url}
    done = subprocess.run(
        [*_next(directory), "build"], cwd=directory, env=env, timeout=BUILD_TIMEOUT_S,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    marker.write_text(wanted)
    return directory


def service_port() -> int:
    """The port that the sites were last built for, if it is free, because PYTHON_API_URL is part of a build."""
    BUILDS.mkdir(parents=True, exist_ok=True)
    return SavedPorts(BUILDS / "ports").port("service")


@contextmanager
def in_front_of(stack: Stack, version: str) -> Generator[Website, None, None]:
    """Serve the site in front of ``stack``, with the settings and the bucket rule from docs/frontend.md."""
    directory = build(version, stack.url)
    secrets = {"NEXTAUTH_SECRET": stack.environment["AUTH_SECRET"], "DATABASE_URL": stack.environment["DATABASE_URL"]}
    with served(directory, free_port(), secrets) as running:
        rules = {"CORSRules": bucket_cors(running.url)}
        client = stack.storage.client()
        client.put_bucket_cors(Bucket=stack.storage.bucket, CORSConfiguration=rules)  # pyright: ignore[reportArgumentType]  # R2's shape
        yield running


@contextmanager
def served(directory: Path, port: int, secrets: Mapping[str, str]) -> Generator[Website, None, None]:
    """Run ``next start`` inside the block. PYTHON_API_URL is fixed at build time."""
    log = directory / "server.log"
    log.unlink(missing_ok=True)
    env = {**_environment(), **secrets, "AUTH_TRUST_HOST": "true"}
    child = Child("next", [*_next(directory), "start", "-H", LOOPBACK, "-p", str(port)], log, env, directory)
    url = f"http://{LOOPBACK}:{port}"
    try:
        child.wait_until(lambda: answers(url), START_TIMEOUT_S, port=port)
        yield Website(directory.name, url, log)
    finally:
        child.stop()


def _next(directory: Path) -> list[str]:
    return [node(), str(directory / "node_modules" / "next" / "dist" / "bin" / "next")]


def _environment() -> dict[str, str]:
    # Inherit only the path; everything else that the site needs is passed explicitly.
    return {"PATH": f"{Path(node()).parent}:{os.environ['PATH']}", "NEXT_TELEMETRY_DISABLED": "1", "CI": "1"}


def _fingerprint(directory: Path, api_url: str) -> str:
    digest = hashlib.sha256(api_url.encode())
    for file in sorted(directory.rglob("*")):
        below = file.relative_to(directory).parts
        # next-env.d.ts and tsconfig.json are rewritten by the build itself.
        if file.is_file() and below[0] not in ("node_modules", ".next", "server.log", "next-env.d.ts", "tsconfig.json"):
            digest.update("/".join(below).encode() + file.read_bytes())
    return digest.hexdigest()
