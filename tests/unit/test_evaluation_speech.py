"""How transcriptions are scored."""

from collections import Counter

import pytest

from app.adapters.models import Usage
from evaluation.running import Run
from evaluation.speech import CORRECTED, KEPT, MISHEARD, error_outcomes, report
from evaluation.voice import Passage, passages
from evaluation.words import contains, errors, normalized_words

PLANTED = 43


def report_for(heard: list[str | None]) -> dict[str, object]:
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
    """Each insertion, deletion and replacement counts as one error."""
    assert errors(said.split(), heard.split()) == wrong


def test_case_and_punctuation_are_ignored() -> None:
    """Words are compared in lower case and without punctuation."""
    assert normalized_words("I don’t KNOW, really - “no”!") == ["i", "don't", "know", "really", "no"]


def test_a_phrase_is_found_whole_and_in_order() -> None:
    """Parts of words do not match, and neither do words with another word between them."""
    words = normalized_words("She explained me the rule.")

    assert contains(words, ["explained", "me"])
    assert not contains(words, ["explained", "the"])
    assert not contains(normalized_words("She explained men"), ["explained", "me"])
    assert not contains([], ["explained"])


def test_every_planted_error_can_be_told_from_its_correction() -> None:
    """Each of the 43 errors occurs once in its passage, and its correction does not occur."""
    planted = [(passage, said, corrected) for passage in passages() for said, corrected in passage.errors]

    assert len(planted) == PLANTED
    for passage, said, corrected in planted:
        assert f" {' '.join(normalized_words(passage.text))} ".count(f" {said} ") == 1, said
        assert normalized_words(said) == said.split(" ")
        assert error_outcomes(passage, passage.text)[said] == KEPT
        assert error_outcomes(passage, passage.text.lower().replace(said, corrected))[said] == CORRECTED


def test_perfect_transcription_keeps_all_errors() -> None:
    """No word is wrong, and no error is lost."""
    found = report_for([passage.text for passage in passages()])

    assert found["word_error_rate"] == {"human": 0.0, "synthetic": 0.0}
    assert found["errors"] == {KEPT: PLANTED, CORRECTED: 0, MISHEARD: 0}


def test_model_that_corrects_errors_is_detected() -> None:
    """A model that corrects learners has few word errors, but keeps none of the learners' errors."""

    def corrected_text(passage: Passage) -> str:
        text = " ".join(normalized_words(passage.text))
        for said, corrected in passage.errors:
            text = text.replace(said, corrected)
        return text

    found = report_for([corrected_text(passage) for passage in passages()])

    assert found["errors"] == {KEPT: 0, CORRECTED: PLANTED, MISHEARD: 0}
    rates = found["word_error_rate"]
    assert isinstance(rates, dict)
    assert rates["human"] == 0.0


def test_missing_answers_score_badly() -> None:
    """A missing answer counts as silence: every word is wrong, and every error is lost."""
    found = report_for([None for _ in passages()])

    assert found["word_error_rate"] == {"human": 1.0, "synthetic": 1.0}
    assert found["errors"] == {KEPT: 0, CORRECTED: 0, MISHEARD: PLANTED}


def test_each_passage_is_of_its_own_kind() -> None:
    """There are ten synthetic passages with errors, and one human recording without."""
    kinds = Counter((passage.human, bool(passage.errors)) for passage in passages())

    assert kinds == {(False, True): 10, (True, False): 1}
