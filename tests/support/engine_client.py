"""A Prisma client for ``tests/fixtures/engine.prisma``, to test more of the query engine than the service uses."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from local.migrate import ROOT, node

FIXTURES = ROOT / "tests" / "fixtures"


def generate_client(directory: Path) -> ModuleType:
    """Generate the client in ``directory``, import it and return the module."""
    schema = directory / "engine.prisma"
    schema.write_text((FIXTURES / "engine.prisma").read_text())
    stub = str(ROOT / "engine" / "query-engine")
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PRISMA_QUERY_ENGINE_BINARY": stub,
        "PRISMA_SCHEMA_ENGINE_BINARY": stub,
        "PRISMA_CLI_QUERY_ENGINE_TYPE": "binary",
        "CHECKPOINT_DISABLE": "1",
        "PRISMA_ENGINES_CHECKSUM_IGNORE_MISSING": "1",
        "PRISMA_HOME_DIR": str(directory / "home"),
        "XDG_CACHE_HOME": str(directory / "cache"),
        "DATABASE_URL": "postgresql://unused",
    }
    command = [node(), str(ROOT / "engine/node_modules/prisma/build/index.js"), "generate", "--schema", str(schema)]
    done = subprocess.run([*command, "--no-hints"], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(directory))
    try:
        return importlib.import_module("generated_engine_client")
    finally:
        sys.path.remove(str(directory))
