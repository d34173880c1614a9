"""Opens the service's own adapters with one model: the local stand-in or a provider's model."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from app.adapters.claude import Claude, open_anthropic
from app.adapters.lazy import LazyClient
from app.adapters.whisper import Whisper, open_openai
from local.migrate import ROOT
from local.ports import LOOPBACK, free_port
from local.process import Child
from local.supervision import START_TIMEOUT_S, answers

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from openai import AsyncOpenAI

# The name of the stand-ins, and the model that each stands in for (one that needs no special options).
LOCAL = "local"
STAND_IN_MODELS = {"local.analysis": "claude-haiku-4-5", "local.speech": "whisper-1"}


class NoKey(Exception):
    """The API key of a provider is missing. The message names the variable."""


@contextmanager
def analysis_service(name: str) -> Generator[tuple["LazyClient[AsyncAnthropic]", Claude]]:
    """Open the analysis adapter for ``name`` or the stand-in. Raises NoKey. The caller closes the client."""
    with _address(name, "local.analysis", "ANTHROPIC", "https://api.anthropic.com", "") as (key, url):
        client = LazyClient(lambda: open_anthropic(key, url), lambda client: client.close())
        yield client, Claude(client, _model(name, "local.analysis"))


@contextmanager
def speech_service(name: str) -> Generator[tuple["LazyClient[AsyncOpenAI]", Whisper]]:
    """Open the transcription adapter for ``name`` or the stand-in. Raises NoKey. The caller closes the client."""
    with _address(name, "local.speech", "OPENAI", "https://api.openai.com/v1", "/v1") as (key, url):
        client = LazyClient(lambda: open_openai(key, url), lambda client: client.close())
        yield client, Whisper(client, _model(name, "local.speech"))


def require_keys(names: list[str], provider: str) -> None:
    """Raises NoKey if ``names`` contains a provider's model and its key is missing."""
    missing = [name for name in names if name != LOCAL]
    if missing and not os.environ.get(f"{provider}_API_KEY"):
        raise NoKey(
            f"{', '.join(missing)}: set {provider}_API_KEY first, or leave out MODELS to use the local stand-in"
        )


def _model(name: str, module: str) -> str:
    return STAND_IN_MODELS[module] if name == LOCAL else name


@contextmanager
def _address(name: str, module: str, provider: str, url: str, path: str) -> Generator[tuple[str, str]]:
    if name != LOCAL:
        require_keys([name], provider)
        yield os.environ[f"{provider}_API_KEY"], os.environ.get(f"{provider}_BASE_URL") or url
        return
    port = free_port()
    with TemporaryDirectory(prefix="evaluation-") as directory:
        command = [sys.executable, "-m", module, "--port", str(port)]
        child = Child(module, command, Path(directory) / "log", cwd=ROOT)
        try:
            child.wait_until(lambda: answers(f"http://{LOOPBACK}:{port}/healthz"), START_TIMEOUT_S, port=port)
            yield LOCAL, f"http://{LOOPBACK}:{port}{path}"
        finally:
            child.stop()
