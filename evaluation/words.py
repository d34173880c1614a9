"""Counts word errors, and finds phrases in a transcription."""

import re
from collections.abc import Sequence

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def normalized_words(text: str) -> list[str]:
    """The words of ``text`` in lower case and without punctuation."""
    return _WORD.findall(text.lower().replace("’", "'"))


def errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """The minimum number of words to insert, delete or replace to turn ``said`` into ``heard`` (Levenshtein distance).

    >>> errors("he go home".split(), "he goes to home".split())
    2
    """
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, 1):
        left, row = row, [number]
        for column, other in enumerate(heard, 1):
            row.append(min(left[column] + 1, row[-1] + 1, left[column - 1] + (word != other)))
    return row[-1]


def contains(words: Sequence[str], phrase: Sequence[str]) -> bool:
    """Whether ``phrase`` occurs in ``words``, contiguously."""
    return any(list(words[start : start + len(phrase)]) == list(phrase) for start in range(len(words)))
