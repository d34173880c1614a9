"""Runs the server: ``qstash-on-loopback`` or ``python -m qstash_on_loopback``."""

import argparse
import logging
import os
import socket
import sys
from pathlib import Path

import uvicorn

from qstash_on_loopback.delivery import DEFAULT_PARALLELISM
from qstash_on_loopback.persistence import StoreError
from qstash_on_loopback.server import App, create_app
from qstash_on_loopback.service import Options
from qstash_on_loopback.signing import CURRENT_KEY, NEXT_KEY, TOKEN

LOOPBACK = "127.0.0.1"
LOOPBACK_6 = "::1"
DEFAULT_PORT = 8080
BACKLOG = 2048


def main() -> None:
    """Run the server until Ctrl-C or SIGTERM."""
    arguments = parse(sys.argv[1:])
    sockets = listen(arguments.host, arguments.port)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    logging.getLogger("qstash_on_loopback").setLevel(logging.INFO)
    app = _app(arguments)
    port = sockets[0].getsockname()[1]
    for name, value in environment(port, arguments.token).items():
        print(f"{name}={value}")
    print(f"QStash development server is running at http://{LOOPBACK}:{port}", flush=True)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        backlog=BACKLOG,
        server_header=False,
        proxy_headers=False,
    )
    uvicorn.Server(config).run(sockets)


def environment(port: int, token: str = TOKEN) -> dict[str, str]:
    """The settings that a client needs: the address and the fixed, public credentials of the development server."""
    return {
        "QSTASH_URL": f"http://{LOOPBACK}:{port}",
        "QSTASH_TOKEN": token,
        "QSTASH_CURRENT_SIGNING_KEY": CURRENT_KEY,
        "QSTASH_NEXT_SIGNING_KEY": NEXT_KEY,
    }


def listen(hosts: list[str], port: int) -> list[socket.socket]:
    """Open listening sockets. Exits if the port is in use.

    Without hosts, listens on both loopback addresses; ::1 is skipped if the machine has no IPv6.
    """
    bound: list[socket.socket] = []
    for host in hosts or [LOOPBACK, LOOPBACK_6]:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listener = socket.socket(family, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # With port 0 the system chooses the port for the first address; the others use the same one.
            listener.bind((host, port or (bound[0].getsockname()[1] if bound else 0)))
        except OSError as error:
            if not hosts and host == LOOPBACK_6:
                continue
            hint = "choose another port with --port, or stop the program that listens there"
            sys.exit(f"port {port} is already in use on {host}: {hint} ({error.strerror})")
        listener.listen(BACKLOG)
        bound.append(listener)
    return bound


def parse(words: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="qstash-on-loopback",
        description="A local QStash server with the official development server's credentials: publishes, signs, delivers"
        " and retries. Open its address in a browser to see its messages. Without --store, nothing is kept when it stops.",
    )
    parser.add_argument(
        "--port", type=int, default=int(os.environ.get("QSTASH_DEV_PORT", DEFAULT_PORT)),
        help="port to listen on (default: QSTASH_DEV_PORT, or 8080); 0 for any free port",
    )  # fmt: skip
    parser.add_argument(
        "--host", action="append", default=[], help="address to listen on; may be repeated (default 127.0.0.1 and ::1)"
    )
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME",
        help="also accept requests for this host name, e.g. the name of a container; may be repeated",
    )  # fmt: skip
    parser.add_argument("--token", default=TOKEN, help="token that clients must send (default: the official one)")
    parser.add_argument(
        "--time-scale",
        type=_scale,
        default=1.0,
        help="multiply every wait, e.g. 0.001 turns 12 s into 12 ms (default 1)",
    )
    parser.add_argument("--allow-any-destination", action="store_true", help="also deliver to other machines")
    parser.add_argument(
        "--host-map", action="append", default=[], type=_pair, metavar="HOST=127.0.0.1:PORT",
        help="deliver messages for HOST to this address, signed for HOST; https:// before it uses TLS; may be repeated",
    )  # fmt: skip
    parser.add_argument("--ca-file", type=Path, help="also trust these certificate authorities (PEM)")
    parser.add_argument("--store", type=Path, metavar="FILE", help="keep everything except events in this SQLite file")
    parser.add_argument(
        "--parallelism", type=int, default=DEFAULT_PARALLELISM,
        help=f"maximum concurrent deliveries (default {DEFAULT_PARALLELISM}); one destination gets at most half of them",
    )  # fmt: skip
    parser.add_argument(
        "--region", default="EU-CENTRAL-1", choices=["EU-CENTRAL-1", "US-EAST-1"],
        help="value of the Upstash-Region header (default EU-CENTRAL-1)",
    )  # fmt: skip
    return parser.parse_args(words)


def _app(arguments: argparse.Namespace) -> App:
    options = Options(
        time_scale=arguments.time_scale,
        any_destination=arguments.allow_any_destination,
        hosts=dict(arguments.host_map),
        token=arguments.token,
        store=arguments.store,
        ca_file=arguments.ca_file,
        parallelism=max(1, arguments.parallelism),
        region=arguments.region,
        allowed_hosts=frozenset(arguments.allow_host),
    )
    try:
        return create_app(options)
    except StoreError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {arguments.ca_file} cannot be used: {error.strerror or error}")


def _scale(text: str) -> float:
    scale = float(text)
    if not scale > 0:
        raise argparse.ArgumentTypeError("it must be greater than 0")
    return scale


def _pair(text: str) -> tuple[str, str]:
    host, separator, target = text.partition("=")
    if not separator or not host or not target:
        raise argparse.ArgumentTypeError("expected HOST=127.0.0.1:PORT")
    return host, target


if __name__ == "__main__":
    main()
