"""The command line of the local stack: ``python -m local run|demo|token``."""

import argparse
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from local import demo
from local.environment import DIRECTORY, StackError, exclusive_lock, read_environment, read_stand_ins
from local.exported_settings import filter_environment
from local.overrides import secret_in_environment
from local.ports import free_port
from local.process import ChildDied
from local.stack import Stack, require_not_running, stop_on_sigterm
from local.supervision import answers
from local.token import session_cookie


def main() -> int:
    """Run one command and return its exit code."""
    arguments = _parser().parse_args()
    stop_on_sigterm()
    ignored = filter_environment(os.environ, everything=arguments.with_env)
    if ignored and arguments.run is not _token:
        them = "it" if len(ignored) == 1 else "them"
        print(f"ignoring {', '.join(ignored)} from the environment; set WITH_ENV=1 to use {them}", flush=True)
    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        print("\nstopped; nothing is left running", flush=True)
        return 130
    except (StackError, ChildDied, TimeoutError, RuntimeError, demo.DemoError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace) -> int:
    directory: Path = arguments.directory
    with Stack(directory, port=arguments.port) as stack:
        print(f"settings in {directory / 'env'}, logs in {directory / 'logs'}")
        if stack.stand_ins:
            print(f"stand-ins for: {', '.join(stack.stand_ins)}")
        print("to use a frontend with it, add these lines to the frontend's .env.local (docs/frontend.md):")
        for line in frontend_lines(stack.environment):
            print(f"  {line}")
        try:
            # A script may stop us as soon as it reads this line.
            print(f"ready {stack.url}", flush=True)
            stack.wait()
        except KeyboardInterrupt:
            print("\nstopping", flush=True)
    return 0


def frontend_lines(environment: Mapping[str, str]) -> list[str]:
    """Return the settings that the Next.js application needs. Values from the environment are not shown."""
    shown = {"NEXTAUTH_SECRET": environment["AUTH_SECRET"], "DATABASE_URL": environment["DATABASE_URL"]}
    if secret_in_environment():
        shown["NEXTAUTH_SECRET"] = "(the secret that you set)"
    if os.environ.get("DATABASE_URL"):
        shown["DATABASE_URL"] = "(the address that you set)"
    return [f"PYTHON_API_URL={environment['STACK_URL']}", *(f"{name}={value}" for name, value in shown.items())]


def _demo(arguments: argparse.Namespace) -> int:
    upload = demo.recording(arguments.audio)
    directory: Path = arguments.directory
    with ExitStack() as stack:
        message = "another demo is running in this folder: wait for it to finish"
        stack.enter_context(exclusive_lock(directory / "demo.lock", message))
        try:
            require_not_running(directory)
            # The demo can use any port, so leave port 8000 to "make run".
            started = stack.enter_context(Stack(directory, port=free_port()))
            environment, stand_ins = started.environment, started.stand_ins
        except StackError:
            environment, stand_ins = read_environment(directory), read_stand_ins(directory)
            if environment is None:
                raise
            print(f"using the stack at {environment['STACK_URL']}")
        try:
            return demo.run(environment, directory / "logs" / "app.log", upload, stand_ins)
        except KeyboardInterrupt:
            print("\nstopping", flush=True)
            raise


def _token(arguments: argparse.Namespace) -> int:
    environment = read_environment(arguments.directory)
    # A stack that was killed leaves its settings file behind.
    if environment is None or not answers(f"{environment['STACK_URL']}/api/health"):
        raise StackError("no stack is running: start one with make run")
    print(session_cookie(environment["AUTH_SECRET"], environment["APP_URL"], arguments.user))
    return 0


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a port: PORT is a number from 1 to 65535")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local", description="Run the service and everything it needs on one machine, without accounts."
    )
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="folder for data and logs (default .local)")
    parser.add_argument(
        "--with-env",
        action="store_true",
        help="also use exported settings, such as DATABASE_URL and OPENAI_API_KEY (default: only those in .env.local)",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="start everything, print the address, stop on Ctrl-C")
    run.add_argument(
        "--port",
        type=_port,
        default=os.environ.get("PORT") or None,
        help="where the application listens on 127.0.0.1 (default PORT, or 8000, or a free one)",
    )
    run.set_defaults(run=_run)
    show = commands.add_parser("demo", help="process one recording and print the results")
    show.add_argument("--audio", type=Path, help="a recording (default: a learner's story, read by a computer voice)")
    show.set_defaults(run=_demo)
    token = commands.add_parser("token", help="print the value of a signed-in user's Cookie header")
    token.add_argument("--user", default="demo", help="the user's name (default demo)")
    token.set_defaults(run=_token)
    return parser


if __name__ == "__main__":
    sys.exit(main())
