"""Free ports on the loopback."""

import secrets
import socket

LOOPBACK = "127.0.0.1"


# Below the range from which the kernel takes ports for outgoing connections: one of those could take a server's port while it
# restarts.
PORTS = range(15_000, 32_000)


def free_port() -> int:
    """A port that nothing listens on at the moment."""
    while not is_free(port := secrets.choice(PORTS)):
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
