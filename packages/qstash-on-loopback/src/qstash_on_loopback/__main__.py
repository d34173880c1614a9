"""Runs the server: ``qstash-on-loopback`` or ``python -m qstash_on_loopback``."""

import argparse
import logging
import socket
import sys

import uvicorn

from qstash_on_loopback.server import create_app
from qstash_on_loopback.service import Options
from qstash_on_loopback.signing import CURRENT_KEY, NEXT_KEY, TOKEN

LOOPBACK = "127.0.0.1"


def main() -> None:
    """Serve until Ctrl-C or SIGTERM."""
    arguments = parse(sys.argv[1:])
    if not is_free(arguments.port):
        sys.exit(f"port {arguments.port} is taken: choose another with --port, or end the program that listens there")
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    logging.getLogger("qstash").setLevel(logging.INFO)
    for name, value in environment(arguments.port).items():
        print(f"{name}={value}")
    print(f"QStash development server is running at http://{LOOPBACK}:{arguments.port}", flush=True)
    options = Options(arguments.time_scale, arguments.allow_any_destination, dict(arguments.host_map))
    uvicorn.run(
        create_app(options),
        host=LOOPBACK,
        port=arguments.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def environment(port: int) -> dict[str, str]:
    """What a client needs: the address and the fixed, public credentials of the development server."""
    return {
        "QSTASH_URL": f"http://{LOOPBACK}:{port}",
        "QSTASH_TOKEN": TOKEN,
        "QSTASH_CURRENT_SIGNING_KEY": CURRENT_KEY,
        "QSTASH_NEXT_SIGNING_KEY": NEXT_KEY,
    }


def parse(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="qstash-on-loopback",
        description="A local QStash with the official development server's credentials: publishes, signs, delivers, retries. "
        "Everything is in memory and gone when it stops.",
    )
    parser.add_argument("--port", type=int, default=8080, help="where to listen on 127.0.0.1 (default 8080)")
    parser.add_argument(
        "--time-scale", type=float, default=1.0, help="multiply every wait, e.g. 0.001 makes 12 s 12 ms (default 1)"
    )
    parser.add_argument("--allow-any-destination", action="store_true", help="deliver to other machines as well")
    parser.add_argument(
        "--host-map", action="append", default=[], type=_pair, metavar="HOST=127.0.0.1:PORT",
        help="deliver messages for HOST to this address, signed for HOST; may be repeated",
    )  # fmt: skip
    return parser.parse_args(words)


def _pair(text: str) -> tuple[str, str]:
    host, separator, target = text.partition("=")
    if not separator or not host or not target:
        raise argparse.ArgumentTypeError("expected HOST=127.0.0.1:PORT")
    return host, target


if __name__ == "__main__":
    main()
