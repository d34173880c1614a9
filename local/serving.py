"""Runs a stand-in's web application on a port of the loopback."""

import argparse
import sys

import uvicorn
from starlette.types import ASGIApp

from local.ports import LOOPBACK, is_free


def serve_on_port(app: ASGIApp, description: str) -> None:
    """Serve ``app`` on the ``--port`` of the command line until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, required=True, help="where to listen on 127.0.0.1")
    port: int = parser.parse_args().port
    if not is_free(port):
        sys.exit(f"port {port} is taken")
    uvicorn.run(app, host=LOOPBACK, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
