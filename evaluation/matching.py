"""Which of a model's insights mean which of the teacher's patterns in one session."""

from dataclasses import dataclass, field

from app.analysis.shape import Analysis, Insight
from evaluation.golden import Pattern, Session, habits
from evaluation.text import candidates, overlap, plain, spans


@dataclass
class Marked:
    """One session's analysis, marked. Without an answer, everything is missed."""

    session: Session
    answered: bool
    matched: list[tuple[Insight, Pattern]] = field(default_factory=list[tuple[Insight, Pattern]])
    missed: list[Pattern] = field(default_factory=list[Pattern])
    # Named, although no teacher would name it here; and of these, what the set warns of.
    extra: list[Insight] = field(default_factory=list[Insight])
    trapped: list[Insight] = field(default_factory=list[Insight])
    quoted: int = 0
    quoted_verbatim: int = 0


def mark(session: Session, analysis: Analysis | None) -> Marked:
    """Match by name and category; where a name is none that we know, by its quotations and category.

    One pattern named twice is right once: the second splits the learner's profile.
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


def _choose(session: Session, insight: Insight, left: list[Pattern]) -> Pattern | None:
    named = candidates(insight.pattern)
    of_category = [pattern for pattern in left if insight.category in pattern.habit.categories]
    by_name = [pattern for pattern in of_category if pattern.habit.id in named]
    # A name that fits two patterns is settled by what it quotes, and so is one that we do not know.
    by_quotations = max(by_name or of_category, key=lambda pattern: _quoting(session, insight, pattern), default=None)
    if by_name:
        return by_quotations
    convincing = by_quotations is not None and _quoting(session, insight, by_quotations) > 0.5
    return by_quotations if convincing and not named else None


def _quoting(session: Session, insight: Insight, pattern: Pattern) -> float:
    """The share of the insight's quotations that show what the pattern's show."""
    text, examples = plain(session.text), insight.examples or [""]
    shown = [span for quote in pattern.quotes for span in spans(quote, text)]
    return sum(overlap(spans(example, text), shown) for example in examples) / len(examples)


def _tolerated(session: Session, insight: Insight) -> bool:
    return any(
        name in session.allowed and insight.category in habits()[name].categories
        for name in candidates(insight.pattern)
    )


def _count_quotations(marked: Marked, insight: Insight) -> None:
    # A habit shown by nothing counts as one quotation that is not there.
    examples, text = insight.examples or [""], plain(marked.session.text)
    marked.quoted += len(examples)
    marked.quoted_verbatim += sum(1 for example in examples if spans(example, text))
