"""Finds quotations in a transcript, and habits by name."""

import re
from functools import lru_cache
from unicodedata import normalize

from evaluation.golden import Habit, habits

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)*")
_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"'})
_ELLIPSIS = re.compile(r"…|\.\.\.")
_EDGES = " .,;:!?\"'-–—()[]"

Span = tuple[int, int]


@lru_cache(1000)
def plain(text: str) -> str:
    """``text`` normalized for comparison: lower case, single spaces and straight quotes."""
    return " ".join(normalize("NFC", text).translate(_QUOTES).lower().split())


@lru_cache(5000)
def spans(quote: str, text: str) -> list[Span]:
    """Where ``quote`` first occurs in the plain ``text``: a span for each part between ellipses.

    Empty if a part is missing. A quotation starts and ends at word boundaries: "ice" is not found in "nice".
    """
    parts = [part.strip(_EDGES) for part in _ELLIPSIS.split(plain(quote))]
    found = [re.search(rf"(?<!\w){re.escape(part)}(?!\w)", text) for part in parts if part]
    places = [match.span() for match in found if match]
    return places if places and len(places) == len(found) else []


def overlap(some: list[Span], others: list[Span]) -> bool:
    """Whether any of ``some`` shares a character with any of ``others``."""
    return any(start < end_ and start_ < end for start, end in some for start_, end_ in others)


@lru_cache(5000)
def candidates(name: str) -> frozenset[str]:
    """The ids of the habits that ``name`` may mean, by their longest matching phrases; empty if no phrase matches."""
    words = _WORD.findall(plain(name).replace("-", " "))
    fit = {habit.id: _fit(habit, words) for habit in habits().values()}
    best = max(fit.values())
    return frozenset(name for name, length in fit.items() if length == best) if best else frozenset()


def _fit(habit: Habit, words: list[str]) -> int:
    # The number of letters in the habit's longest phrase that matches the name.
    fitting = (phrase for phrase in habit.phrases if all(any(w.startswith(part) for w in words) for part in phrase))
    return max((sum(map(len, phrase)) for phrase in fitting), default=0)
