"""``make bench``: measure the service, print the results beside the goals, and save them."""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from qstash_on_loopback.signing import Keys

from benchmarks.rows import QUICK, Sizes, measure, measure_telemetry
from benchmarks.statements import measure_statements
from benchmarks.table import RESULTS, Results, as_markdown
from benchmarks.testbed import Target, TestBed, commit_tree, until_answers
from local.migrate import ROOT
from local.stack import stop_on_sigterm

UNTRACKED = ROOT / ".local" / "benchmarks"


def main() -> None:
    """Run the command."""
    arguments = _parser().parse_args()
    stop_on_sigterm()
    sizes = QUICK if arguments.quick else Sizes()
    with ExitStack() as stack:
        if arguments.base_url:
            columns = {arguments.base_url: _measure_running(arguments, sizes)}
        else:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            _progress("starting the test bed")
            testbed = TestBed(directory, stack)
            trees = {"here": ROOT} | {commit: commit_tree(commit, directory) for commit in arguments.commit}
            columns = {name: _measure_tree(testbed, tree, sizes, arguments.runs) for name, tree in trees.items()}
            subprocess.run(["git", "worktree", "prune"], cwd=ROOT, check=False)
    print(as_markdown(columns))
    folder = RESULTS if arguments.keep else UNTRACKED
    folder.mkdir(parents=True, exist_ok=True)
    about = {"python": platform.python_version(), "cores": os.cpu_count(), "machine": platform.machine()}
    file = folder / time.strftime("%Y-%m-%d-%H%M%S.json")
    file.write_text(json.dumps({"about": about, "runs": columns}, indent=1) + "\n")
    _progress(f"results: {file.relative_to(ROOT)}")


def _measure_tree(testbed: TestBed, tree: Path, sizes: Sizes, runs: int) -> list[Results]:
    results: list[Results] = []
    for number in range(runs):
        with testbed.application(tree) as target:
            first = until_answers(target.url, "/api/health")
            until_database = first + until_answers(target.url, "/api/health/ready")
            measured = asyncio.run(
                measure(target, sizes, lambda row, n=number: _progress(f"run {n + 1}/{runs}: {row}"))
            )
            start = {"start to first answer s": first, "start to first database answer s": until_database}
        with testbed.application(tree) as off, testbed.application(tree, telemetry=True) as on:
            for target in (off, on):
                until_answers(target.url, "/api/health/ready")
            _progress(f"run {number + 1}/{runs}: telemetry")
            measured |= asyncio.run(measure_telemetry(off, on, sizes))
        results.append(start | measured)
        if tree == ROOT:
            _progress(f"run {number + 1}/{runs}: statements")
            url = testbed.environment["DATABASE_URL"]
            results[-1] |= asyncio.run(measure_statements(url, sizes.reads))
    return results


def _measure_running(arguments: argparse.Namespace, sizes: Sizes) -> list[Results]:
    base_url: str = arguments.base_url
    keys = Keys()
    keys.current = os.environ.get("QSTASH_CURRENT_SIGNING_KEY", keys.current)
    target = Target(
        url=base_url,
        app_url=os.environ.get("APP_URL", base_url),
        pid=arguments.pid,
        secret=os.environ["AUTH_SECRET"],
        keys=keys,
    )
    return [
        asyncio.run(measure(target, sizes, lambda row, n=number: _progress(f"run {n + 1}: {row}")))
        for number in range(arguments.runs)
    ]


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measures what the service costs, beside its goals."
    )
    parser.add_argument("--runs", type=int, default=5, help="number of runs (default 5)")
    parser.add_argument("--quick", action="store_true", help="do about a fifth of the work, for a first impression")
    parser.add_argument("--keep", action="store_true", help="keep the results in benchmarks/results, for docs/costs.md")
    parser.add_argument("--commit", action="append", default=[], help="also measure this commit; may be repeated")
    parser.add_argument(
        "--base-url", help="measure a running server, with its own AUTH_SECRET, APP_URL, QSTASH_CURRENT_SIGNING_KEY set"
    )
    parser.add_argument("--pid", type=int, help="process id of that server")
    return parser


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
