"""Serve the application, with limits for slow and greedy clients."""

import argparse
import os
from importlib.util import find_spec
from typing import Any

import uvicorn

from app.checks import SettingsError, load
from app.commands.qstash_only import fetch_signing_keys

# On SIGTERM deliveries in flight are finished: an attempt takes 290 s at most.
GRACEFUL_SHUTDOWN_S = 300
MAX_HEAD_BYTES = 32 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=None, help="the port (default PORT, else 8000)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C. Raises SettingsError before anything is opened."""
    load()
    try:
        port = arguments.port or _port(os.environ.get("PORT") or "8000")
    except argparse.ArgumentTypeError as error:
        raise SettingsError([f"PORT is wrong: {error}"]) from None
    fetch_signing_keys()
    uvicorn.run("app.main:app", host=arguments.host, port=port, **limits())
    return 0


def limits() -> dict[str, Any]:
    """uvicorn's options in production."""
    options: dict[str, Any] = {"access_log": False, "timeout_graceful_shutdown": GRACEFUL_SHUTDOWN_S}
    if find_spec("httptools"):
        return options | {"http": "app.web.protocol:BoundedProtocol"}
    return options | {"http": "h11", "h11_max_incomplete_event_size": MAX_HEAD_BYTES}


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 65_535):
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)
