"""The operator's command line: ``python -m app COMMAND``. Each command is a module of app/commands with its own arguments."""

import argparse
import os
import sys
from inspect import iscoroutinefunction
from pathlib import Path

try:
    from dotenv import load_dotenv

    from app.checks import SettingsError
    from app.commands import (
        bucket,
        check_settings,
        dead_letters,
        doctor,
        export,
        forget,
        retry,
        schedule,
        serve,
        sessions,
        show,
        sweep,
    )
    from app.commands.running import with_services
except ModuleNotFoundError as missing:
    sys.exit(f"error: the package {missing.name} is not installed here: try .venv/bin/python -m app")

COMMANDS = (
    *(serve, check_settings, doctor, sessions, show, retry),
    *(dead_letters, schedule, sweep, bucket, export, forget),
)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m app", description="The speaking coach's back end.")
    parser.add_argument(
        "--env-file",
        type=Path,
        default=Path(".env"),
        help="read settings from this file if it exists; the environment takes precedence (default .env)",
    )
    parsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        name = module.__name__.rpartition(".")[2].replace("_", "-")
        about = (module.__doc__ or "").partition("\n")[0]
        command = parsers.add_parser(name, help=about, description=about)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def _configure_streams() -> None:
    """Discard output to a closed stream, and escape characters that a stream's encoding lacks."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115  # for as long as the process
        else:
            stream.reconfigure(errors="backslashreplace")


def main() -> int:
    """Run one command and return its exit code."""
    _configure_streams()
    line = parser()
    if any("\udc80" <= letter <= "\udcff" for word in sys.argv for letter in word):
        line.error("an argument is not UTF-8")
    arguments = line.parse_args()
    if arguments.env_file != line.get_default("env_file") and not arguments.env_file.is_file():
        line.error(f"{arguments.env_file} is not a file")
    # Into os.environ, not only into the settings: Prisma's client reads its own variable from there.
    try:
        load_dotenv(arguments.env_file)
    except (OSError, ValueError) as error:
        # The message may quote a value.
        line.error(f"{arguments.env_file} cannot be read as text in UTF-8 ({type(error).__name__})")
    try:
        command = arguments.run
        code = with_services(command, arguments) if iscoroutinefunction(command) else int(command(arguments))
        sys.stdout.flush()
    except SettingsError as error:
        print(f"error: some settings are missing or wrong (.env.example describes them):\n{error}", file=sys.stderr)
        return 1
    except OSError as error:
        # Writing failed: the disk is full, or the reader has gone, as with "head". Otherwise Python would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"error: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
