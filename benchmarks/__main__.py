"""``make bench``: measure, print a table beside the goals, keep the numbers."""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from qstash_on_loopback.signing import CURRENT_KEY, Keys

from benchmarks.rows import QUICK, Results, Sizes, measure
from benchmarks.surroundings import Surroundings, Target, commit_tree, until_answers
from local.migrate import ROOT
from local.stack import stop_on_sigterm

RESULTS = Path(__file__).parent / "results"
# At most so much: the goals, and what the original spends (its medians of three runs, on a machine of this kind).
GOALS = {
    "webhook CPU ms": (12, "23 to 39"),
    "webhook engine requests": (7, "-"),
    "webhook SQL statements": (None, "12"),
    "webhook storage GET": (1, "1"),
    "webhook storage DELETE": (1, "1"),
    "detail CPU ms": (3, "7 to 11"),
    "detail engine requests": (1, "-"),
    "list CPU ms": (3, ""),
    "upload 1 MB CPU ms": (8, "19 to 28"),
    "upload 25 MB CPU ms": (80, "365 to 393"),
    "8 uploads of 50 MB, peak above idle MB": (120, "430 to 600 in all"),
    "32 polls at once p99/p50": (4, ""),
    "growth over 10,000 more polls MB": (2, ""),
    "start to first answer s": (0.5, "1.5 to 1.9"),
    "start to first database answer s": (1.2, ""),
    "idle memory MB": (200, "227"),
    "idle memory, SDKs loaded MB": (None, ""),
}


def main() -> None:
    """Run the command."""
    arguments = _parser().parse_args()
    stop_on_sigterm()
    sizes = QUICK if arguments.quick else Sizes()
    with ExitStack() as stack:
        if arguments.base_url:
            columns = {arguments.base_url: _foreign(arguments, sizes)}
        else:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            _progress("starting the surroundings")
            surroundings = Surroundings(directory, stack)
            trees = {"here": ROOT} | {commit: commit_tree(commit, directory) for commit in arguments.commit}
            columns = {name: _measure_tree(surroundings, tree, sizes, arguments.runs) for name, tree in trees.items()}
            subprocess.run(["git", "worktree", "prune"], cwd=ROOT, check=False)
    table = _table(columns)
    print(table)
    RESULTS.mkdir(exist_ok=True)
    name = time.strftime("%Y-%m-%d-%H%M%S")
    about = {"python": platform.python_version(), "cores": os.cpu_count(), "machine": platform.machine()}
    (RESULTS / f"{name}.json").write_text(json.dumps({"about": about, "runs": columns}, indent=1) + "\n")
    (RESULTS / "latest.md").write_text(table + "\n")


def _measure_tree(surroundings: Surroundings, tree: Path, sizes: Sizes, runs: int) -> list[Results]:
    results: list[Results] = []
    for number in range(runs):
        with surroundings.application(tree) as target:
            first = until_answers(target.url, "/api/health")
            until_database = first + until_answers(target.url, "/api/health/ready")
            measured = asyncio.run(
                measure(target, sizes, lambda row, n=number: _progress(f"run {n + 1}/{runs}: {row}"))
            )
            start = {"start to first answer s": first, "start to first database answer s": until_database}
            results.append(start | measured)
    return results


def _foreign(arguments: argparse.Namespace, sizes: Sizes) -> list[Results]:
    base_url: str = arguments.base_url
    target = Target(
        url=base_url,
        app_url=os.environ.get("APP_URL", base_url),
        pid=arguments.pid,
        secret=os.environ["AUTH_SECRET"],
        keys=Keys(os.environ.get("QSTASH_CURRENT_SIGNING_KEY", CURRENT_KEY)),
    )
    return [
        asyncio.run(measure(target, sizes, lambda row, n=number: _progress(f"run {n + 1}: {row}")))
        for number in range(arguments.runs)
    ]


def _table(columns: dict[str, list[Results]]) -> str:
    lines = ["| | goal | original | " + " | ".join(columns) + " |", "|---|---|---|" + "---|" * len(columns)]
    for row, (goal, original) in GOALS.items():
        cells = [_cell([run[row] for run in runs if row in run]) for runs in columns.values()]
        at_most = "" if goal is None else f"≤ {goal}"
        lines.append(f"| {row} | {at_most} | {original} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    if not values:
        return "-"
    median = statistics.median(values)
    if max(values) - min(values) < 0.005:
        return f"{median:.3g}"
    return f"{median:.3g} [{min(values):.3g}-{max(values):.3g}]"


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="What the service costs, beside its goals."
    )
    parser.add_argument("--runs", type=int, default=5, help="how often everything is measured (default 5)")
    parser.add_argument("--quick", action="store_true", help="a fifth of the work: for a first look")
    parser.add_argument("--commit", action="append", default=[], help="measure this commit as well; may be repeated")
    parser.add_argument(
        "--base-url", help="measure a running server, with its own AUTH_SECRET, APP_URL, QSTASH_CURRENT_SIGNING_KEY set"
    )
    parser.add_argument("--pid", type=int, help="the process of that server")
    return parser


if __name__ == "__main__":
    main()
