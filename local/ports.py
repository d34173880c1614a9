"""Free ports on the loopback, and whose a port is."""

import itertools
import json
import os
import socket
from pathlib import Path

import psutil

LOOPBACK = "127.0.0.1"

# Below the range from which the kernel takes ports for outgoing connections: one of those could take a server's port while it
# restarts. A port is bound only some time after it was chosen, so each process chooses from a block of its own, in turn.
FIRST, BLOCKS, BLOCK_SIZE = 15_000, 160, 60
_turn = itertools.count()


def free_port() -> int:
    """A port that nothing listens on at the moment, and that this process chooses again only after all others of its block."""
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


def listens(pid: int, port: int) -> bool:
    """Whether it is the program ``pid``, or one it started, that listens on ``port``."""
    try:
        program = psutil.Process(pid)
        connections = [
            each for one in (program, *program.children(recursive=True)) for each in one.net_connections("tcp")
        ]
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        # This system lists no connections, so whatever answers is taken.
        return True
    return any(each.status == psutil.CONN_LISTEN and each.laddr[1] == port for each in connections)


class PortBook:
    """The ports of a stack's servers, kept in a file, so that what was configured with them is good for the next run too."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def port(self, server: str) -> int:
        """The port that ``server`` had the last time, if it is free; else another one, from now on."""
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
