"""``make evaluate`` and ``make evaluate-speech``: compare models in a table and in a JSON file."""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from app.errors import Misconfigured
from app.settings import Settings
from evaluation.analysis import evaluate_analysis
from evaluation.services import LOCAL, NoKey, require_keys
from evaluation.speech import evaluate_speech
from evaluation.voice import NoVoice
from local.migrate import ROOT
from local.process import ChildDied
from local.stack import stop_on_sigterm

RESULTS = ROOT / ".local" / "evaluation"
KINDS: dict[str, tuple[str, str, Callable[[str], Awaitable[dict[str, Any]]]]] = {
    "analysis": ("ANTHROPIC", "analysis_models", evaluate_analysis),
    "speech": ("OPENAI", "transcription_models", evaluate_speech),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code."""
    given = _parser().parse_args(arguments)
    provider, setting, evaluate = KINDS[given.kind]
    names = chosen_models(given.models, provider, setting)
    reports: list[dict[str, Any]] = []
    code = 0
    try:
        require_keys(names, provider)
        for name in names:
            reports.append(asyncio.run(_as_coroutine(evaluate(name))))  # noqa: PERF401  # keeps earlier reports
    except KeyboardInterrupt:
        outcome = "the results so far follow" if reports else "nothing was written"
        print(f"\nstopped; {outcome}", file=sys.stderr)
        code = 130
    except Misconfigured as error:
        print(f"\nerror: refused by the provider: check {error.setting} and the names in MODELS", file=sys.stderr)
        code = 1
    except (NoKey, NoVoice, ChildDied, TimeoutError) as error:
        print(f"error: {error}", file=sys.stderr)
        code = 1
    # Results before a failure have been paid for, so they are kept.
    if reports:
        print(table(reports))
        print(f"\ndetails: {write(given.kind, reports, Path(given.results))}")
    return code


def chosen_models(given: str, provider: str, setting: str) -> list[str]:
    """The models named in ``given``. If it is empty: the stand-in, and the models of the setting if there is a key."""
    if given:
        return list(dict.fromkeys(name.strip() for name in given.split(",") if name.strip())) or [LOCAL]
    if not os.environ.get(f"{provider}_API_KEY"):
        return [LOCAL]
    default: str = os.environ.get(setting.upper()) or Settings.model_fields[setting].default
    return [LOCAL, *(name.strip() for name in default.split(",") if name.strip())]


def table(reports: Sequence[dict[str, Any]]) -> str:
    """The reports as a Markdown table with a column per model, followed by the failures."""
    lines = ["| | " + " | ".join(report["model"] for report in reports) + " |", "|---|" + "---|" * len(reports)]
    lines += [f"| {row} | " + " | ".join(report["row"][row] for report in reports) + " |" for row in reports[0]["row"]]
    lines += [
        f"{report['model']}: {count} × {message}" for report in reports for message, count in report["failures"].items()
    ]
    return "\n".join(lines)


def write(kind: str, reports: Sequence[dict[str, Any]], directory: Path) -> Path:
    """Write the reports to a new file in ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{kind}-{time.strftime('%Y-%m-%d-%H%M%S')}.json"
    file.write_text(json.dumps({"kind": kind, "models": reports}, indent=1, ensure_ascii=False) + "\n")
    return file


async def _as_coroutine(report: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    return await report


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evaluation", description="Evaluates models on the golden set.")
    parser.add_argument("kind", choices=KINDS, help="what to evaluate")
    parser.add_argument("--models", default="", help=f"comma-separated; '{LOCAL}' is the local stand-in")
    parser.add_argument("--results", default=str(RESULTS), help="folder for the JSON file")
    return parser


if __name__ == "__main__":
    # Log lines of the adapters would interrupt the progress display.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    stop_on_sigterm()
    sys.exit(main())
