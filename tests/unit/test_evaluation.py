"""The golden set itself, and tests that bad analyses score badly."""

import copy
import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from app.analysis.shape import CATEGORIES, Analysis, InvalidAnalysis, parse_analysis
from app.analysis.words import count_words
from evaluation.golden import GoldenSession, Pattern, habits, sessions
from evaluation.matching import Marked, mark
from evaluation.perfect import perfect_answer
from evaluation.scoring import Scores, f1_interval, score

Change = Callable[[dict[str, Any], GoldenSession], None]
PATTERNS = [(session, pattern) for session in sessions() for pattern in session.patterns]


def read(text: str) -> Analysis | None:
    try:
        return parse_analysis(text)
    except InvalidAnalysis:
        return None


def scores(change: Change | None = None) -> Scores:
    """The scores of the perfect analysis after applying ``change`` to each session's answer."""
    marked: list[Marked] = []
    for session in sessions():
        answer = copy.deepcopy(perfect_answer(session))
        if change:
            change(answer, session)
        marked.append(mark(session, read(json.dumps(answer))))
    return score(marked)


def each_insight(change: Callable[[dict[str, Any], GoldenSession], None]) -> Change:
    def changed(answer: dict[str, Any], session: GoldenSession) -> None:
        for insight in answer["insights"]:
            change(insight, session)

    return changed


def test_set_is_large_and_mixed() -> None:
    """At least 60 unique sessions of ten first languages, with 120 to 300 words each, and at least eight clean ones."""
    languages = {session.id.split("-")[0] for session in sessions()} - {"clean"}
    clean = [session for session in sessions() if not session.patterns]

    assert len({session.id for session in sessions()}) == len({session.text for session in sessions()}) >= 60
    assert len(languages) == 10
    assert len(clean) >= 8
    assert [s.id for s in sessions() if not 120 <= count_words(s.text) <= 300 or s.level not in ("B2", "C1")] == []


def test_every_habit_is_shown_in_several_sessions() -> None:
    """Consistent naming of a habit can only be measured if it occurs in several sessions."""
    shown = Counter(pattern.habit.id for _, pattern in PATTERNS)

    assert [name for name in habits() if shown[name] < 2] == ["overused-to-be"]
    assert shown["overused-to-be"] == 0
    assert all(set(habit.categories) <= set(CATEGORIES) for habit in habits().values())


@pytest.mark.parametrize(("session", "pattern"), PATTERNS, ids=lambda value: getattr(value, "id", ""))
def test_quotations_are_verbatim_and_within_the_frequency(session: GoldenSession, pattern: Pattern) -> None:
    """Quotations occur verbatim in the transcript, and there are no more of them than occurrences of the habit."""
    low, high = pattern.frequency
    occurrences = len(re.findall(rf"(?i)\b(?:{'|'.join(map(re.escape, pattern.counted))})\b", session.text))

    assert [quote for quote in pattern.quotes if quote not in session.text] == []
    assert len(set(pattern.quotes)) == len(pattern.quotes) >= 2
    assert 2 <= low <= high
    assert len(pattern.quotes) <= high
    assert not pattern.counted or low <= occurrences <= high


def test_named_allowed_and_wrong_habits_are_disjoint() -> None:
    """A habit is never two of named, allowed and wrong, and an answer contains at most five."""
    for session in sessions():
        named = [pattern.habit.id for pattern in session.patterns]

        assert len(named) == len(set(named)) <= 5
        assert not set(named) & (session.wrong | session.allowed)
        assert not session.wrong & session.allowed
        assert session.wrong
        assert session.wrong | session.allowed <= set(habits())


def test_perfect_analysis_scores_one() -> None:
    """The golden set's own analysis is perfect in every part and category."""
    found = scores()

    assert found.total == 1.0
    assert all(category.f1 == 1.0 for category in found.categories.values())
    assert found.trapped == 0


def test_empty_analysis_scores_zero() -> None:
    """Finding nothing is valid, but worthless."""
    found = scores(lambda answer, _: answer.update(insights=[]))

    assert (found.total, found.overall.recall, found.valid) == (0.0, 0.0, 1.0)


def test_invented_quotations_score_zero() -> None:
    """Invented quotations prove nothing, however right the rest is."""
    found = scores(each_insight(lambda insight, _: insight.update(examples=["I never said these words at all"])))

    assert (found.verbatim, found.total) == (0.0, 0.0)
    assert found.overall.f1 == 1.0


def test_missing_quotations_count_as_not_found() -> None:
    """A habit without a quotation is as bad as one with an invented quotation."""
    assert scores(each_insight(lambda insight, _: insight.update(examples=[]))).verbatim == 0.0
    assert scores(each_insight(lambda insight, _: insight.pop("examples"))).verbatim == 0.0


def test_wrong_category_is_missed_and_extra() -> None:
    """In a category that no teacher would choose, a habit does not count as found."""

    def turn(insight: dict[str, Any], _: GoldenSession) -> None:
        allowed = next(habit for habit in habits().values() if habit.label == insight["pattern"]).categories
        insight["category"] = next((each for each in CATEGORIES if each not in allowed), insight["category"])

    assert scores(each_insight(turn)).total == 0.0


@pytest.mark.parametrize("frequency", [0, 500])
def test_frequency_out_of_reach_scores_zero(frequency: int) -> None:
    """Neither an inflated frequency nor 0 is useful for the profile."""
    found = scores(each_insight(lambda insight, _: insight.update(frequency=frequency)))

    assert (found.frequency, found.total) == (0.0, 0.0)


def test_new_names_in_each_session_score_badly() -> None:
    """The profile counts by name, so a habit with a new name in each session never adds up."""
    found = scores(each_insight(lambda i, session: i.update(pattern=f"{i['pattern']} ({session.id})")))

    assert found.overall.f1 == 1.0
    assert found.names == found.total == 0.0


def test_one_name_for_everything_scores_badly() -> None:
    """One name for all habits is no better than many names for one habit."""
    found = scores(each_insight(lambda insight, _: insight.update(pattern="Zzz")))

    assert found.names < 0.2
    assert found.total < 0.2


def test_invalid_answers_score_zero() -> None:
    """An answer that the service's parser refuses has no insights and is not valid."""
    found = score([mark(session, read("Here is your analysis: {")) for session in sessions()])

    assert (found.valid, found.overall.recall, found.total) == (0.0, 0.0, 0.0)


def test_half_invalid_answers_cost_validity_and_recall() -> None:
    """Each answer is counted separately."""
    marked = [mark(s, read(json.dumps(perfect_answer(s))) if n % 2 else None) for n, s in enumerate(sessions())]
    found = score(marked)

    assert 0.4 < found.valid < 0.6
    assert 0.3 < found.overall.recall < 0.7
    assert found.overall.precision == 1.0


def test_scores_are_the_same_each_time() -> None:
    """Neither the order of the sessions nor randomness changes the result."""
    marked = [mark(s, read(json.dumps(perfect_answer(s))) if n % 3 else None) for n, s in enumerate(sessions())]
    low, high = f1_interval(marked)

    assert score(marked) == score(marked[::-1])
    assert (low, high) == f1_interval(marked)
    assert low < score(marked).overall.f1 < high


def test_naming_everything_costs_precision() -> None:
    """Naming two wrong habits in every session, in addition to all correct ones."""

    def add(answer: dict[str, Any], session: GoldenSession) -> None:
        for name in sorted(session.wrong)[:2]:
            habit = habits()[name]
            extra = perfect_answer(sessions()[0])["insights"][0] | {
                "category": habit.categories[0],
                "pattern": habit.label,
            }
            answer["insights"] = [*answer["insights"], extra][-5:]

    found = scores(add)

    assert found.overall.precision < 0.65
    assert found.trapped > 100


def test_the_same_five_habits_for_everybody_score_badly() -> None:
    """Naming the most common habits, each with a single word as a quotation, scores badly."""
    common = [name for name, _ in Counter(pattern.habit.id for _, pattern in PATTERNS).most_common(5)]

    def guess(answer: dict[str, Any], session: GoldenSession) -> None:
        answer["insights"] = [
            {
                "category": habits()[name].categories[0],
                "pattern": habits()[name].label,
                "detail": "-",
                "frequency": 5,
                "examples": [session.text.split()[0]],
            }
            for name in common
        ]

    assert scores(guess).total < 0.1


def test_one_habit_named_twice_is_right_once() -> None:
    """Naming the same habit twice would split the profile, so it counts only once."""
    session = next(s for s in sessions() if s.id == "es-04")
    answer = perfect_answer(session)
    answer["insights"] = [*answer["insights"], *answer["insights"]]
    marked = mark(session, read(json.dumps(answer)))

    assert (len(marked.matched), len(marked.extra)) == (1, 1)


def test_what_is_allowed_is_neither_right_nor_wrong() -> None:
    """A model loses nothing for habits on which teachers disagree."""
    session = next(s for s in sessions() if s.id == "zh-04")
    answer = perfect_answer(session)
    extra = answer["insights"][0] | {"pattern": "Repeated words", "examples": ["It is not in the text"]}
    answer["insights"] = [extra, *answer["insights"]]
    marked = mark(session, read(json.dumps(answer)))

    assert (len(marked.matched), len(marked.extra), len(marked.missed)) == (1, 0, 0)


def test_unknown_name_is_matched_by_its_quotations() -> None:
    """A model may use a name that is not in the golden set."""
    session = next(s for s in sessions() if s.id == "ja-01")
    answer = perfect_answer(session)
    answer["insights"][0]["pattern"] = "Zzz"
    good = mark(session, read(json.dumps(answer)))
    answer["insights"][0]["examples"] = ["promised to teach me"]
    bad = mark(session, read(json.dumps(answer)))

    assert (len(good.matched), len(bad.matched)) == (1, 0)
