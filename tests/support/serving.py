"""Serves web applications on real sockets, from a thread of the test process."""

import asyncio
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from app.web.protocol import BoundedProtocol
from local.ports import LOOPBACK, free_port

START_TIMEOUT_S = 20


@contextmanager
def served(
    app: ASGIApp, port: int | None = None, http: type[asyncio.Protocol] = BoundedProtocol
) -> Generator[str, None, None]:
    """Serve ``app`` inside the block, and yield its address."""
    port = port or free_port()
    config = uvicorn.Config(app, host=LOOPBACK, port=port, log_config=None, timeout_graceful_shutdown=2, http=http)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not server.started:
            assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        server.should_exit = True
        thread.join()
