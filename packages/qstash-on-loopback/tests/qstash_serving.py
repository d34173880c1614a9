"""Serves web applications on real sockets, from a thread of the test process."""

import os
import random
import socket
import threading
import time
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

LOOPBACK = "127.0.0.1"
START_TIMEOUT_S = 20
# Below the range that the kernel uses for outgoing connections, so that none of them can take a server's port.
FIRST, LAST = 15_000, 24_600
# A server binds its port only some time after the port was chosen. Until then, the process that chose it holds the UDP
# port of the same number, which no other process can bind. These are the file descriptors of the most recent choices.
_reserved: deque[int] = deque()
MOST_RESERVED = 60


def free_port() -> int:
    """A port that nothing listens on, and that is not given to another caller in the meantime."""
    while True:
        port = random.randrange(FIRST, LAST)
        reservation = socket.socket(type=socket.SOCK_DGRAM)
        try:
            reservation.bind((LOOPBACK, port))
        except OSError:
            reservation.close()
            continue
        _reserved.append(reservation.detach())
        if len(_reserved) > MOST_RESERVED:
            os.close(_reserved.popleft())
        if is_free(port):
            return port


def is_free(port: int) -> bool:
    """Whether a server can listen on ``port``."""
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
    """Serve ``app`` inside the block, and yield its address."""
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
