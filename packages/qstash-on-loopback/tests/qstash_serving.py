"""Web applications served on real sockets from a thread of the test process."""

import itertools
import os
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

LOOPBACK = "127.0.0.1"
START_TIMEOUT_S = 20
# Below the range from which the kernel takes ports for outgoing connections: one of those could take a port that a test has
# just chosen. Each process chooses from a block of its own, in turn.
FIRST, BLOCKS, BLOCK_SIZE = 25_000, 120, 60
_turn = itertools.count()


def free_port() -> int:
    """A port that nothing listens on at the moment."""
    block = FIRST + os.getpid() % BLOCKS * BLOCK_SIZE
    while not is_free(port := block + next(_turn) % BLOCK_SIZE):
        pass
    return port


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def accepts(port: int) -> bool:
    """Whether something listens on ``port``."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


@contextmanager
def served(app: ASGIApp, port: int | None = None) -> Generator[str, None, None]:
    """Serve ``app`` for the length of the block; its address."""
    port = port or free_port()
    config = uvicorn.Config(app, host=LOOPBACK, port=port, log_config=None, timeout_graceful_shutdown=2, backlog=4096)
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
