"""``make evaluate``: scores analyses of the golden set."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from app.adapters.models import Usage
from app.analysis.shape import Analysis
from evaluation.golden import GoldenSession, sessions
from evaluation.matching import Marked, mark
from evaluation.running import Run, run
from evaluation.scoring import Scores, f1_interval, score
from evaluation.services import analysis_service

ROWS = (
    "score",
    "F1",
    "grammar",
    "vocabulary",
    "structure",
    "quotations",
    "frequency",
    "names",
    "valid",
    "traps",
    "USD per 1,000",
)


async def evaluate_analysis(model: str, chosen: Sequence[GoldenSession] | None = None) -> dict[str, Any]:
    """The scores of a model on the golden set, with its missed and extra insights in each session."""
    golden = sessions() if chosen is None else chosen
    with analysis_service(model) as (client, claude):

        async def ask(session: GoldenSession) -> tuple[Analysis, Usage]:
            return await claude.analyze(session.text)

        try:
            answers = await run(model, golden, ask)
        finally:
            await client.aclose()
    return report(answers, [mark(session, answer) for session, answer in zip(golden, answers.results, strict=True)])


def report(answers: Run[Analysis], marked: Sequence[Marked]) -> dict[str, Any]:
    """Scores, costs and details, in the form written to the file."""
    found = score(marked)
    return {
        "model": answers.model,
        "score": found.total,
        "scores": asdict(found) | {"f1": found.overall.f1},
        "row": _row(found, f1_interval(marked), answers),
        "failures": dict(answers.failures),
        "tokens_in": sum(usage.tokens_in for usage in answers.usage),
        "tokens_out": sum(usage.tokens_out for usage in answers.usage),
        "cost_usd": answers.cost_usd,
        "seconds": round(answers.seconds, 1),
        "sessions": {each.session.id: _details(each) for each in marked},
    }


def _row(found: Scores, interval: tuple[float, float], answers: Run[Analysis]) -> dict[str, str]:
    cells = [
        f"{found.total:.2f}",
        f"{found.overall.f1:.2f} ({interval[0]:.2f} to {interval[1]:.2f})",
        *(f"{each.precision:.2f} / {each.recall:.2f}" for each in found.categories.values()),
        *(f"{part:.0%}" for part in (found.verbatim, found.frequency)),
        f"{found.names:.2f}",
        f"{found.valid:.0%}",
        str(found.trapped),
        f"{1000 * answers.cost_usd / len(answers.usage):.2f}" if answers.cost_usd else "-",
    ]
    return dict(zip(ROWS, cells, strict=True))


def _details(each: Marked) -> dict[str, Any]:
    return {
        "answered": each.answered,
        "matched": {pattern.habit.id: f"{i.category}:{i.pattern} ({i.frequency})" for i, pattern in each.matched},
        "missed": [pattern.habit.id for pattern in each.missed],
        "extra": [f"{insight.category}:{insight.pattern}" for insight in each.extra],
        "quotations": f"{each.quoted_verbatim}/{each.quoted}",
    }
