"""Matches a model's insights to the teacher's patterns in one session."""

from dataclasses import dataclass, field

from app.analysis.shape import Analysis, Insight
from evaluation.golden import GoldenSession, Pattern, habits
from evaluation.text import candidates, overlap, plain, spans


@dataclass
class Marked:
    """The marked analysis of one session. Without an answer, every pattern is missed."""

    session: GoldenSession
    answered: bool
    matched: list[tuple[Insight, Pattern]] = field(default_factory=list[tuple[Insight, Pattern]])
    missed: list[Pattern] = field(default_factory=list[Pattern])
    # Insights that no teacher would name here; ``trapped`` are those that fell for a trap of the set.
    extra: list[Insight] = field(default_factory=list[Insight])
    trapped: list[Insight] = field(default_factory=list[Insight])
    quoted: int = 0
    quoted_verbatim: int = 0


def mark(session: GoldenSession, analysis: Analysis | None) -> Marked:
    """Match insights by name and category; an unknown name is matched by quotations and category.

    A pattern that is named twice counts only once, because the second name would split the learner's profile.
    """
    marked = Marked(session, answered=analysis is not None)
    left = list(session.patterns)
    for insight in analysis.insights if analysis else []:
        _count_quotations(marked, insight)
        pattern = _choose(session, insight, left)
        if pattern:
            left.remove(pattern)
            marked.matched.append((insight, pattern))
        elif not _tolerated(session, insight):
            marked.extra.append(insight)
            if candidates(insight.pattern) and candidates(insight.pattern) <= session.wrong:
                marked.trapped.append(insight)
    marked.missed = left
    return marked


def _choose(session: GoldenSession, insight: Insight, left: list[Pattern]) -> Pattern | None:
    named = candidates(insight.pattern)
    of_category = [pattern for pattern in left if insight.category in pattern.habit.categories]
    by_name = [pattern for pattern in of_category if pattern.habit.id in named]
    # Quotations decide if a name fits two patterns, or if it is unknown.
    by_quotations = max(by_name or of_category, key=lambda pattern: _quoting(session, insight, pattern), default=None)
    if by_name:
        return by_quotations
    convincing = by_quotations is not None and _quoting(session, insight, by_quotations) > 0.5
    return by_quotations if convincing and not named else None


def _quoting(session: GoldenSession, insight: Insight, pattern: Pattern) -> float:
    """The share of the insight's quotations that overlap with those of the pattern."""
    text, examples = plain(session.text), insight.examples or [""]
    shown = [span for quote in pattern.quotes for span in spans(quote, text)]
    return sum(overlap(spans(example, text), shown) for example in examples) / len(examples)


def _tolerated(session: GoldenSession, insight: Insight) -> bool:
    return any(
        name in session.allowed and insight.category in habits()[name].categories
        for name in candidates(insight.pattern)
    )


def _count_quotations(marked: Marked, insight: Insight) -> None:
    # A habit without quotations counts as one quotation that was not found.
    examples, text = insight.examples or [""], plain(marked.session.text)
    marked.quoted += len(examples)
    marked.quoted_verbatim += sum(1 for example in examples if spans(example, text))
