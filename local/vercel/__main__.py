"""``make vercel-build``: builds the function, prints its size, and processes a recording with it."""

import argparse
import sys
import tempfile
from pathlib import Path

from local import demo
from local.environment import StackError
from local.migrate import ROOT
from local.process import ChildDied
from local.stack import stop_on_sigterm
from local.vercel.build import BuildError, build, describe
from local.vercel.function import FunctionStack


def main() -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m local.vercel", description="Build for Vercel without an account, and run the result."
    )
    parser.add_argument("--cli", type=Path, required=True, help="the path of the Vercel CLI's vc.js")
    parser.add_argument("--directory", type=Path, default=ROOT / ".local" / "vercel", help="where to build")
    arguments = parser.parse_args()
    stop_on_sigterm()
    try:
        function = build(arguments.cli.absolute(), arguments.directory.absolute())
        print(f"function: {describe(function)}", flush=True)
        with (
            tempfile.TemporaryDirectory(prefix="function-") as directory,
            FunctionStack(Path(directory), function) as stack,
        ):
            log = Path(directory) / "logs" / "function.log"
            return demo.run(stack.environment, log, demo.recording(None), stack.stand_ins)
    except KeyboardInterrupt:
        return 130
    except (BuildError, StackError, ChildDied, TimeoutError, RuntimeError, demo.DemoError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
