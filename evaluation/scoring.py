"""Scores of a model's analyses over the golden set. No model judges another: the same answers get the same scores."""

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
    """Of one category: how much of what was named is right, how much of what is there was named."""

    right: int
    extra: int
    missed: int

    @property
    def precision(self) -> float:
        """Between 0 and 1; 0 where nothing was named."""
        return _share(self.right, self.right + self.extra)

    @property
    def recall(self) -> float:
        """Between 0 and 1."""
        return _share(self.right, self.right + self.missed)

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        return _share(2 * self.right, 2 * self.right + self.extra + self.missed)


@dataclass(frozen=True)
class Scores:
    """Shares between 0 and 1, but for ``categories`` and ``trapped``."""

    categories: dict[str, Found]
    overall: Found
    verbatim: float
    frequency: float
    names: float
    valid: float
    # How often something was named that the set warns of.
    trapped: int

    @property
    def total(self) -> float:
        """F1 times the four shares: no part can make up for another that is 0."""
        return prod((self.overall.f1, self.verbatim, self.frequency, self.names, self.valid))


def score(marked: Sequence[Marked]) -> Scores:
    """Add up the marks of all sessions."""
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
    """Where F1 lies in nine of ten golden sets like this one, by drawing sessions anew (bootstrap), with a fixed seed."""
    draw = Random(SEED)  # noqa: S311 - statistics
    drawn = sorted(score(draw.choices(marked, k=len(marked))).overall.f1 for _ in range(DRAWS))
    return drawn[DRAWS // 20], drawn[-DRAWS // 20]


def _found(marked: Sequence[Marked], category: str) -> Found:
    # What is right or missed counts in the teacher's category, what is extra in the model's.
    return Found(
        sum(pattern.category == category for each in marked for _, pattern in each.matched),
        sum(insight.category == category for each in marked for insight in each.extra),
        sum(pattern.category == category for each in marked for pattern in each.missed),
    )


def _same_names(marked: Sequence[Marked]) -> float:
    """How well names and habits go together, over all pairs of insights that share a name, a habit, or both.

    The profile adds up by category and name (``app/analysis/patterns.py``): another name is another habit, and one name for
    two habits makes them one. The harmonic mean of both views; 0 where no habit was found twice.
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
