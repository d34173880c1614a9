"""Builds the function with the Vercel CLI, and collects exactly the files that it would deploy."""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from local.migrate import ROOT
from local.ports import LOOPBACK, free_port

# The build needs the settings of a project, but the project need not exist: https://vercel.com/docs/cli/build
PROJECT = {"projectId": "prj_x", "orgId": "team_x", "settings": {"framework": None}}
# Vercel's runtime needs 3.12 or newer; versions after 3.13 are not tested.
PYTHONS = ("3.12", "3.13")
BUILD_TIMEOUT_S = 600
# The build gets this script instead of the query engine's binary. It starts the engine in engine/.
ENGINE = b'#!/bin/sh\nexec "$STAND_IN_QUERY_ENGINE" "$@"\n'
FORBIDDEN = ("tests/", "local/", "benchmarks/", "engine/", "migrations/", "docs/", ".env", ".local/", ".git/", ".ci/")


class BuildError(Exception):
    """The build cannot continue; the message says why."""


def build(cli: Path, directory: Path) -> Path:
    """Build the files that git tracks, inside ``directory``, and return the function's folder. Raises BuildError."""
    project, function = directory / "project", directory / "function"
    shutil.rmtree(directory, ignore_errors=True)
    _export(project)
    tools = _tools(directory / "tools")
    (project / ".vercel").mkdir()
    (project / ".vercel" / "project.json").write_text(json.dumps(PROJECT))
    with _engine_mirror() as mirror:
        environment = {
            "PATH": f"{tools}:/usr/bin:/bin",
            "HOME": str(directory),
            "VERCEL_TELEMETRY_DISABLED": "1",
            "NO_UPDATE_NOTIFIER": "1",
            "PRISMA_ENGINES_MIRROR": mirror,
            "UV_CACHE_DIR": str(ROOT / ".local" / "cache" / "uv"),
        }
        # Settings for package indexes, certificates and proxies.
        network = ("PIP_", "UV_", "NPM_", "SSL_", "HTTP", "HTTPS", "NO_PROXY", "http", "https", "no_proxy")
        inherited = {name: value for name, value in os.environ.items() if name.startswith(network)}
        command = ["node", str(cli), "build", "--yes", "--prod"]
        result = subprocess.run(
            command, cwd=project, env={**inherited, **environment}, timeout=BUILD_TIMEOUT_S, check=False
        )
    if result.returncode:
        raise BuildError("the build failed, see above")
    _copy_function(project, function)
    return function


def describe(function: Path) -> str:
    """Return the function's size and its largest packages. Raises BuildError if it contains a forbidden file."""
    sizes: dict[str, int] = {}
    for file in function.rglob("*"):
        if file.is_file():
            name = file.relative_to(function).as_posix()
            if name.startswith(FORBIDDEN):
                raise BuildError(f"{name} must not be in the function")
            parts = name.split("/")
            package = parts[1].removesuffix(".libs") if parts[0] == "_vendor" else "the application"
            sizes[package] = sizes.get(package, 0) + file.stat().st_size
    largest = sorted(sizes, key=lambda package: -sizes[package])[:6]
    listed = ", ".join(f"{package} {sizes[package] / 1e6:.0f}" for package in largest)
    return f"{sum(sizes.values()) / 1e6:.0f} MB unpacked, without the query engine's binary (about 20 MB): {listed}"


def _export(project: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, project / name)


def _tools(directory: Path) -> Path:
    """Create a folder with the tools that Vercel's build image has."""
    directory.mkdir(parents=True)
    uv = Path(sys.executable).parent / "uv"
    node = os.environ.get("PRISMA_ENGINE_NODE") or shutil.which("node")
    if not uv.exists() or not node:
        raise BuildError("uv and Node are needed: run make vercel-build")
    python = python_for_vercel()
    for name, target in {"uv": uv, "node": Path(node), python.name: python, "python3": python}.items():
        (directory / name).symlink_to(target)
    return directory


def python_for_vercel() -> Path:
    """Return the path of a Python of a version that Vercel has. Raises BuildError."""
    for version in PYTHONS:
        name = f"python{version}"
        own = [Path(sys.base_prefix) / "bin" / name]
        installed = [Path(folder) / name for folder in os.environ.get("PATH", "").split(":")]
        by_pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/{name}"))
        for path in own + installed + by_pyenv:
            if path.exists() and _runs(path):
                return path.resolve()
    raise BuildError(f"Python {' or '.join(PYTHONS)} is needed, as on Vercel: install one")


def _runs(python: Path) -> bool:
    return subprocess.run([python, "-c", "import venv"], capture_output=True, check=False).returncode == 0


@contextmanager
def _engine_mirror() -> Generator[str, None, None]:
    """Serve ENGINE as every binary that the build downloads from Prisma."""
    packed = gzip.compress(ENGINE, mtime=0)

    class Mirror(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library's name
            """Answer for any path."""
            if self.path.endswith(".gz.sha256"):
                body = hashlib.sha256(packed).hexdigest().encode()
            elif self.path.endswith(".sha256"):
                body = hashlib.sha256(ENGINE).hexdigest().encode()
            else:
                body = packed
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # the library's name
            """Log nothing."""

    with ThreadingHTTPServer((LOOPBACK, free_port()), Mirror) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{LOOPBACK}:{server.server_port}"
        server.shutdown()


def _copy_function(project: Path, function: Path) -> None:
    """Copy the function's own files, and those listed in its file map."""
    [built] = (project / ".vercel" / "output" / "functions").glob("*.func")
    shutil.copytree(built, function)
    config = json.loads((built / ".vc-config.json").read_text())
    for name, source in config.get("filePathMap", {}).items():
        (function / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(project / source, function / name)
