"""Finds free loopback ports, and tells which program listens on a port."""

import json
import os
import random
import socket
from collections import deque
from pathlib import Path

import psutil

LOOPBACK = "127.0.0.1"

# Linux gives outgoing connections ports from here on.
EPHEMERAL = 32_768
# Well below that: an outgoing connection could take a server's port while the server restarts.
FIRST, LAST = 15_000, 24_600
# A server binds its port some time after it was chosen. Until then, the process that chose it holds the UDP port of the
# same number, which no other process can bind. These are the file descriptors of the latest choices.
_reserved: deque[int] = deque()
MAX_RESERVED = 60


def free_port() -> int:
    """Return a port that nothing listens on, and reserve it so that no other call returns it for a while."""
    while True:
        port = random.randrange(FIRST, LAST)  # noqa: S311  # any will do
        reservation = socket.socket(type=socket.SOCK_DGRAM)
        try:
            reservation.bind((LOOPBACK, port))
        except OSError:
            reservation.close()
            continue
        _reserved.append(reservation.detach())
        if len(_reserved) > MAX_RESERVED:
            os.close(_reserved.popleft())
        if is_free(port):
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


def listens(pid: int, port: int) -> bool:
    """Whether process ``pid`` or one of its descendants listens on ``port``."""
    try:
        program = psutil.Process(pid)
        connections = [
            each for one in (program, *program.children(recursive=True)) for each in one.net_connections("tcp")
        ]
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        # This system does not let us list connections, so assume that the right program listens.
        return True
    return any(each.status == psutil.CONN_LISTEN and each.laddr[1] == port for each in connections)


class SavedPorts:
    """The ports of a stack's servers, saved in a file so that they are the same in the next run."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def port(self, server: str) -> int:
        """Return the port that ``server`` had last time if it is free; otherwise choose a new one and save it."""
        ports = self._read()
        port = ports.get(server)
        if port is None or not is_free(port):
            port = ports[server] = free_port()
            self._file.write_text(json.dumps(ports))
        return port

    def _read(self) -> dict[str, int]:
        try:
            return {name: int(port) for name, port in json.loads(self._file.read_text()).items()}
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            return {}
