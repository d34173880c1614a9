"""The service's own adapters, each with one model: a stand-in of this machine, or a provider's."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from app.adapters.claude import Claude, open_anthropic
from app.adapters.whisper import Whisper, open_openai
from app.lazy import LazyClient
from local.migrate import ROOT
from local.ports import LOOPBACK, free_port
from local.process import Child
from local.supervision import START_TIMEOUT_S, answers

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from openai import AsyncOpenAI

# The stand-ins go by this name. Of the models that they play, the one without options.
LOCAL = "local"
PLAYED = {"local.analysis": "claude-haiku-4-5", "local.speech": "whisper-1"}


class NoKey(Exception):
    """A provider's model was asked for, and there is no key. The message names the variable."""


@contextmanager
def analysis_service(name: str) -> Generator[tuple["LazyClient[AsyncAnthropic]", Claude]]:
    """The analysis by the model ``name``, or by the stand-in. Raises NoKey. Close the client when done."""
    with _address(name, "local.analysis", "ANTHROPIC", "https://api.anthropic.com", "") as (key, url):
        client = LazyClient(lambda: open_anthropic(key, url), lambda client: client.close())
        yield client, Claude(client, _model(name, "local.analysis"))


@contextmanager
def speech_service(name: str) -> Generator[tuple["LazyClient[AsyncOpenAI]", Whisper]]:
    """The transcription by the model ``name``, or by the stand-in. Raises NoKey. Close the client when done."""
    with _address(name, "local.speech", "OPENAI", "https://api.openai.com/v1", "/v1") as (key, url):
        client = LazyClient(lambda: open_openai(key, url), lambda client: client.close())
        yield client, Whisper(client, _model(name, "local.speech"))


def require_keys(names: list[str], provider: str) -> None:
    """Raises NoKey if one of ``names`` is a model of a provider without its key."""
    missing = [name for name in names if name != LOCAL]
    if missing and not os.environ.get(f"{provider}_API_KEY"):
        raise NoKey(f"{', '.join(missing)}: set {provider}_API_KEY first, or leave MODELS out for the local stand-in")


def _model(name: str, module: str) -> str:
    return PLAYED[module] if name == LOCAL else name


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
