"""Free ports on the loopback."""

import itertools
import os
import socket

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
