"""Serves a stand-in's web application on a loopback port."""

import argparse
import sys

import uvicorn
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from local.ports import LOOPBACK, is_free


class LoopbackOnly:
    """Rejects requests that another site's page makes through a browser on this machine.

    A foreign domain that resolves to 127.0.0.1 is rejected by its ``Host``, a request from a page by its ``Origin``.
    The programs that use a stand-in never send an ``Origin``.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = TrustedHostMiddleware(app, allowed_hosts=[LOOPBACK, "localhost"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if any(name == b"origin" for name, _ in scope.get("headers", [])):
            await PlainTextResponse("web pages may not call this", 403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def serve_on_port(app: ASGIApp, description: str) -> None:
    """Serve ``app`` on the ``--port`` of the command line until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, required=True, help="where to listen on 127.0.0.1")
    port: int = parser.parse_args().port
    if not is_free(port):
        sys.exit(f"port {port} is taken")
    uvicorn.run(
        LoopbackOnly(app), host=LOOPBACK, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=2
    )
