"""Serves the page: ``AUTH_SECRET=… APP_URL=… python -m local.page --port N --app URL``."""

import argparse
import os
import sys

import uvicorn

from local.page.serve import create_app
from local.page.stand_ins import STAND_INS
from local.ports import LOOPBACK, is_free


def main() -> None:
    """Serve until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m local.page", description="Serve the page in front of an application."
    )
    parser.add_argument("--port", type=int, required=True, help="where to listen on 127.0.0.1")
    parser.add_argument("--app", required=True, help="the URL of the application")
    parser.add_argument(
        "--stand-in",
        action="append",
        default=[],
        choices=list(STAND_INS),
        help="a service for which a stand-in is running",
    )
    arguments = parser.parse_args()
    secret = os.environ.get("AUTH_SECRET")
    if not secret:
        sys.exit("AUTH_SECRET is not set: the page needs the application's secret to sign learners in")
    if not is_free(arguments.port):
        sys.exit(f"port {arguments.port} is taken")
    uvicorn.run(
        create_app(arguments.app, secret, arguments.stand_in, public_url=os.environ.get("APP_URL") or None),
        host=LOOPBACK,
        port=arguments.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
