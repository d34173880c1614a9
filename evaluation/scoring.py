"""Scores a model's analyses of the golden set, deterministically: no model judges another."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, prod
from random import Random
from typing import Any

from app.analysis.shape import CATEGORIES
from evaluation.matching import Marked

DRAWS, SEED = 400, 1


@dataclass(frozen=True)
class Found:
    """The result in one category: correct, extra and missed insights."""

    right: int
    extra: int
    missed: int

    @property
    def precision(self) -> float:
        """Between 0 and 1; 0 if nothing was named."""
        return _share(self.right, self.right + self.extra)

    @property
    def recall(self) -> float:
        """Between 0 and 1."""
        return _share(self.right, self.right + self.missed)

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return _share(2 * self.right, 2 * self.right + self.extra + self.missed)


@dataclass(frozen=True)
class Scores:
    """Scores between 0 and 1, except ``categories`` and ``trapped``."""

    categories: dict[str, Found]
    overall: Found
    verbatim: float
    frequency: float
    names: float
    valid: float
    # The number of insights that fell for a trap of the set.
    trapped: int

    @property
    def total(self) -> float:
        """The product of F1 and the four shares, so that no part can compensate for another that is 0."""
        return prod((self.overall.f1, self.verbatim, self.frequency, self.names, self.valid))


def score(marked: Sequence[Marked]) -> Scores:
    """Combine the marks of all sessions."""
    categories = {category: _found(marked, category) for category in CATEGORIES}
    matched = [pair for each in marked for pair in each.matched]
    in_reach = sum(
        1
        for insight, pattern in matched
        if insight.frequency is not None and pattern.frequency[0] <= insight.frequency <= pattern.frequency[1]
    )
    return Scores(
        categories,
        Found(*(sum(getattr(each, part) for each in categories.values()) for part in ("right", "extra", "missed"))),
        _share(sum(each.quoted_verbatim for each in marked), sum(each.quoted for each in marked)),
        _share(in_reach, len(matched)),
        _same_names(marked),
        _share(sum(each.answered for each in marked), len(marked)),
        sum(len(each.trapped) for each in marked),
    )


def f1_interval(marked: Sequence[Marked]) -> tuple[float, float]:
    """The 90 % confidence interval of F1, by bootstrapping sessions with a fixed seed."""
    draw = Random(SEED)  # noqa: S311  # statistics, not cryptography
    drawn = sorted(score(draw.choices(marked, k=len(marked))).overall.f1 for _ in range(DRAWS))
    return drawn[DRAWS // 20], drawn[-DRAWS // 20]


def _found(marked: Sequence[Marked], category: str) -> Found:
    # Correct and missed insights count in the teacher's category, extra ones in the model's category.
    return Found(
        sum(pattern.category == category for each in marked for _, pattern in each.matched),
        sum(insight.category == category for each in marked for insight in each.extra),
        sum(pattern.category == category for each in marked for pattern in each.missed),
    )


def _same_names(marked: Sequence[Marked]) -> float:
    """How consistently the same habit gets the same name, over all pairs of insights that share a name or a habit.

    The profile counts by category and name (``app/analysis/patterns.py``): a different name is a different habit, and
    one name for two habits merges them. This is the harmonic mean of both views; 0 if no habit was found twice.
    """
    named = [
        (pattern.habit.id, f"{insight.category}:{insight.pattern}")
        for each in marked
        for insight, pattern in each.matched
    ]
    same_habit = _pairs(Counter(habit for habit, _ in named))
    same_name = _pairs(Counter(name for _, name in named))
    return _share(2 * _pairs(Counter(named)), same_habit + same_name)


def _pairs(counts: Counter[Any]) -> int:
    return sum(comb(count, 2) for count in counts.values())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
