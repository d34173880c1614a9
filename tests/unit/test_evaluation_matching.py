"""How the evaluation recognizes habits by a model's names, and quotations in the transcript."""

import pytest

from evaluation.golden import habits
from evaluation.text import candidates, plain, spans


@pytest.mark.parametrize(
    ("name", "habit"),
    [
        ("Article omission", "missing-articles"),
        ("Overuse of definite article with abstract nouns", "extra-articles"),
        ("Incorrect present perfect with 'since'", "present-perfect"),
        ("Subject-verb agreement errors", "third-person-s"),
        ("Repetitive sentence starters", "openers"),
        ("Overuse of 'I think'", "hedging"),
        ("Overuse of 'basically'", "fillers"),
        ("Countable use of uncountable nouns", "uncountable-nouns"),
        ("Stative verbs in the continuous", "progressive"),
        ("Run-on sentences", "run-ons"),
        ("Redundant subject pronouns", "topic-fronting"),
        ("Confusion of -ed and -ing adjectives", "ed-ing-adjectives"),
        ("Dropped subject pronouns", "missing-subject"),
        ("Past tense inconsistency", "past-tense"),
    ],
)
def test_names_that_models_give_are_recognized(name: str, habit: str) -> None:
    """Models choose their own names, so each habit is recognized by several phrases."""
    assert habit in candidates(name)


def test_names_match_only_their_own_habit() -> None:
    """No phrase matches by accident, and each label matches only its own habit."""
    assert candidates("Zzz") == frozenset()
    assert {name: candidates(habit.label) for name, habit in habits().items()} == {
        name: frozenset({name}) for name in habits()
    }


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("I go to school", True),
        ("i  GO to\nschool.", True),
        ("“I go to school…”", True),
        ("I go ... don't know", True),
        ("I don’t know", True),
        ("I go … I never said", False),
        ("I went to school", False),
        ("chool", False),
        ("...", False),
        ("", False),
    ],
)
def test_quotations_are_found_verbatim(quote: str, found: bool) -> None:
    """Case, white space, quotation marks and ellipses may differ, but the words must be the learner's."""
    assert bool(spans(quote, plain("I go to school, and I don't know why."))) is found
