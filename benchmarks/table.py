"""Formats the results as a table, beside the goals and the costs of the original."""

import statistics
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
Results = dict[str, float]
# For each row: the goal (a maximum), and the cost of the original (median of three runs on the same kind of machine).
GOALS = {
    "webhook CPU ms": (12, "23 to 39"),
    "webhook, 8 at once, CPU ms": (10, "22"),
    "webhooks a second, 8 at once": (None, ""),
    "webhook CPU ms, telemetry adds": (1.5, ""),
    "webhook engine requests": (7, "-"),
    "webhook SQL statements": (None, "12"),
    "webhook storage GET": (1, "1"),
    "webhook storage DELETE": (1, "1"),
    "detail CPU ms": (3, "7 to 11"),
    "detail engine requests": (1, "-"),
    "list CPU ms": (3, ""),
    "upload 1 MB CPU ms": (8, "19 to 28"),
    "upload SQL statements": (None, ""),
    "upload 25 MB CPU ms": (80, "365 to 393"),
    "8 uploads of 50 MB, peak above idle MB": (120, "430 to 600 in all"),
    "32 polls at once p99/p50": (4, ""),
    "growth over 10,000 more polls MB": (2, ""),
    "start to first answer s": (0.5, "1.5 to 1.9"),
    "start to first database answer s": (0.8, ""),
    "idle memory MB": (200, "227"),
    "idle memory, SDKs loaded MB": (220, ""),
    "memory after load MB": (270, ""),
    "audio deleted, SQL CPU ms": (None, ""),
    "audio deleted, typed CPU ms": (None, ""),
    "detail, SQL CPU ms": (None, ""),
    "detail, typed CPU ms": (None, ""),
}


def as_markdown(columns: dict[str, list[Results]]) -> str:
    """The table in Markdown: median [min to max] of each row, with a column for each server or commit measured."""
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
    return f"{median:.3g} [{min(values):.3g} to {max(values):.3g}]"
