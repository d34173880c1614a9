"""How transcriptions are judged."""

from collections import Counter

import pytest

from app.adapters.models import Usage
from evaluation.running import Run
from evaluation.speech import CORRECTED, KEPT, MISHEARD, fates_of_errors, report
from evaluation.voice import Passage, passages
from evaluation.words import contains, errors, spoken

PLANTED = 43


def judged(heard: list[str | None]) -> dict[str, object]:
    return report(Run("model", heard, [Usage("model", 1)]), passages())


@pytest.mark.parametrize(
    ("said", "heard", "wrong"),
    [
        ("he go home", "he go home", 0),
        ("he go home", "he goes home", 1),
        ("he go home", "go home", 1),
        ("he go home", "he go to home", 1),
        ("he go home", "", 3),
        ("", "thank you", 2),
        ("one two three four", "two three four five", 2),
    ],
)
def test_word_errors_are_the_fewest_changes(said: str, heard: str, wrong: int) -> None:
    """Insertions, deletions and replacements count one each."""
    assert errors(said.split(), heard.split()) == wrong


def test_case_and_punctuation_are_not_heard() -> None:
    """Words are compared as a listener hears them."""
    assert spoken("I don’t KNOW, really - “no”!") == ["i", "don't", "know", "really", "no"]


def test_a_phrase_is_found_whole_and_in_order() -> None:
    """Neither parts of words nor words with another between them count."""
    words = spoken("She explained me the rule.")

    assert contains(words, ["explained", "me"])
    assert not contains(words, ["explained", "the"])
    assert not contains(spoken("She explained men"), ["explained", "me"])
    assert not contains([], ["explained"])


def test_every_planted_error_can_be_told_from_its_correction() -> None:
    """There are 43; each is said once in its passage, and its correction is not said."""
    planted = [(passage, said, corrected) for passage in passages() for said, corrected in passage.errors]

    assert len(planted) == PLANTED
    for passage, said, corrected in planted:
        assert f" {' '.join(spoken(passage.text))} ".count(f" {said} ") == 1, said
        assert spoken(said) == said.split(" ")
        assert fates_of_errors(passage, passage.text)[said] == KEPT
        assert fates_of_errors(passage, passage.text.lower().replace(said, corrected))[said] == CORRECTED


def test_perfect_transcription_keeps_all_errors() -> None:
    """No word is wrong, no error lost."""
    found = judged([passage.text for passage in passages()])

    assert found["word_error_rate"] == {"human": 0.0, "synthetic": 0.0}
    assert found["errors"] == {KEPT: PLANTED, CORRECTED: 0, MISHEARD: 0}


def test_polite_model_is_found_out() -> None:
    """A model that corrects what learners say has few word errors and keeps none of theirs."""

    def polite(passage: Passage) -> str:
        text = " ".join(spoken(passage.text))
        for said, corrected in passage.errors:
            text = text.replace(said, corrected)
        return text

    found = judged([polite(passage) for passage in passages()])

    assert found["errors"] == {KEPT: 0, CORRECTED: PLANTED, MISHEARD: 0}
    rates = found["word_error_rate"]
    assert isinstance(rates, dict)
    assert rates["human"] == 0.0


def test_deaf_model_scores_badly() -> None:
    """No answer counts as silence: each word is wrong, each error lost."""
    found = judged([None for _ in passages()])

    assert found["word_error_rate"] == {"human": 1.0, "synthetic": 1.0}
    assert found["errors"] == {KEPT: 0, CORRECTED: 0, MISHEARD: PLANTED}


def test_each_passage_is_of_its_own_kind() -> None:
    """Ten synthetic passages with errors, one human one without."""
    kinds = Counter((passage.human, bool(passage.errors)) for passage in passages())

    assert kinds == {(False, True): 10, (True, False): 1}
