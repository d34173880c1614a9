"""Describes a habit found in a transcript, and splits the transcript into sentences and words."""

import re
from dataclasses import dataclass

MAX_EXAMPLES = 3
WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)*")
_SENTENCE = re.compile(r"[^.!?]+[.!?]*")


@dataclass(frozen=True)
class Finding:
    """A habit. ``weight``, about its occurrences per 100 words, orders findings and sets the severity."""

    category: str
    pattern: str
    detail: str
    frequency: int
    examples: tuple[str, ...]
    suggestion: str
    goal: str
    weight: float

    @property
    def severity(self) -> str:
        """The severity, derived from how often the habit occurs."""
        if self.weight >= 4:
            return "high"
        return "medium" if self.weight >= 1.5 else "low"

    def as_insight(self) -> dict[str, object]:
        """Return the finding in the shape of the service's schema."""
        return {
            "category": self.category,
            "pattern": self.pattern,
            "detail": self.detail,
            "frequency": self.frequency,
            "severity": self.severity,
            "examples": list(self.examples),
            "suggestion": self.suggestion,
        }


def sentences(text: str) -> list[str]:
    """Return the sentences of ``text``, trimmed."""
    return [match[0].strip() for match in _SENTENCE.finditer(text) if WORD.search(match[0])]


def words(text: str) -> list[str]:
    """Return the words of ``text``, in lower case."""
    return [match[0].lower() for match in WORD.finditer(text)]


def around(text: str, start: int, end: int, context: int = 40) -> str:
    """Return the sentence around ``text[start:end]``; if it is long, only the nearby words."""
    first, last = start, end
    for match in _SENTENCE.finditer(text):
        if match.start() <= start < match.end():
            first = match.start()
        if match.start() < end <= match.end():
            last = match.end()
    if last - first <= 2 * context + end - start:
        return " ".join(text[first:last].split())
    left, right = max(first, start - context), min(last, end + context)
    while left > first and not text[left - 1].isspace():
        left -= 1
    while right < last and not text[right].isspace():
        right += 1
    return " ".join(text[left:right].split())


def times(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural if needed.

    >>> times(1, "filler"), times(2, "filler")
    ('1 filler', '2 fillers')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
