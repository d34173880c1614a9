"""Word counting."""

import pytest

from app.analysis.words import count_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        (" \n\t", 0),
        ("- — … !", 0),
        ("don't", 1),
        ("well-known", 1),
        ("I don’t know", 3),
        ("one, two; three.", 3),
        ("3.5 percent of 1,000", 4),
        ("end.Next", 2),
        ("nai\u0308ve", 1),
        ("'quoted'", 1),
    ],
)
def test_words_are_counted_not_white_space(text: str, words: int) -> None:
    """Contractions and hyphenated words count as one word, and a lone dash as none."""
    assert count_words(text) == words
