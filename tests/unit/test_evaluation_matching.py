"""How the evaluation recognizes a habit by the name that a model gave it, and a quotation in the transcript."""

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
    """Models choose their own words; a habit is known by several."""
    assert habit in candidates(name)


def test_names_mean_nothing_that_they_do_not_say() -> None:
    """No phrase fits by accident, and each label means its own habit alone."""
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
    """Case, white space, quotation marks and ellipses are the model's; the words are the learner's."""
    assert bool(spans(quote, plain("I go to school, and I don't know why."))) is found
