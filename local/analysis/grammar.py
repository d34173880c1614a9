"""Finds grammar habits with Harper's rules, and with a few of our own for typical learners' errors."""

import re
import threading
from collections import defaultdict
from functools import cache

from harper import Linter

from local.analysis.finding import MAX_EXAMPLES, Finding, around, times, words

# Harper's kinds that apply to speech. Spelling, punctuation and style do not.
_KINDS = {
    "Agreement": (
        "Subject-verb agreement",
        "The verb's form does not fit its subject.",
        "Say the subject and verb together: he goes, they go.",
    ),
    "Grammar": (
        "Verb forms",
        "The verb's form does not fit the tense it is used in.",
        "Learn the three forms of one irregular verb a day.",
    ),
    "Redundancy": (
        "Doubled comparatives",
        "Two words do the work of one, as in 'more better'.",
        "Pick one: better, or more careful.",
    ),
    "Usage": (
        "Word usage",
        "A phrase is used in a way that English does not.",
        "Note the phrase with its preposition, as one piece.",
    ),
    "Nonstandard": ("Nonstandard forms", "A form that is heard but not standard.", "Note the standard form beside it."),
}
# Habits that Harper does not find.
_OWN = (
    (r"\bsince (?:\w+) (?:years?|months?|weeks?|days?|hours?)\b", "Since and for", "'Since' names a starting point, 'for' a length of time.", "Use 'for' with a length: for three years."),
    (r"\bI am agree\b|\bI'm agree\b", "Agree as a verb", "'Agree' is a verb and needs no 'am'.", "Say 'I agree'."),
    (r"\b(?:people|they|we|you) (?:was|is|has)\b", "Plural subjects", "A plural subject takes a plural verb.", "Say 'people are', 'they were', 'we have'."),
    (r"\b(?:informations|advices|furnitures|homeworks|equipments)\b", "Uncountable nouns", "Some nouns have no plural in English.", "Say 'some information', 'a piece of advice'."),
    (r"\b(?:discuss|explain|mention) about\b", "Verbs without a preposition", "These verbs take their object directly.", "Say 'discuss it', without 'about'."),
    (r"\b(?:he|she|it) (?:go|want|need|like|have|do|know|think|make|say)\b", "Third person -s", "After he, she and it the verb ends in -s.", "Say 'he goes', 'she wants', 'it has'."),
)  # fmt: skip

# Harper's linter raises an error ("Already borrowed") if two threads use it at the same time.
_linter_lock = threading.Lock()


def grammar_findings(text: str) -> list[Finding]:
    """Return the grammar habits in ``text``, one finding for each kind."""
    places: dict[tuple[str, str, str], dict[int, tuple[int, int]]] = defaultdict(dict)
    with _linter_lock:
        lints = _linter().lint(text)
    for lint in lints:
        # _OWN has rules for errors such as "since three years".
        if lint.lint_kind in _KINDS:
            places[_KINDS[lint.lint_kind]][lint.span.start] = (lint.span.start, lint.span.end)
    for pattern, *habit in _OWN:
        for match in re.finditer(pattern, text, re.IGNORECASE):
            places[(habit[0], habit[1], habit[2])].setdefault(match.start(), match.span())
    total = max(1, len(words(text)))
    return [_finding(text, habit, list(spans.values()), total) for habit, spans in places.items()]


def _finding(text: str, habit: tuple[str, str, str], spans: list[tuple[int, int]], total_words: int) -> Finding:
    name, detail, suggestion = habit
    examples = tuple(dict.fromkeys(around(text, start, end) for start, end in spans))[:MAX_EXAMPLES]
    goal = (
        f"at most {times(len(spans) // 2, 'slip')} of this kind next time"
        if len(spans) > 1
        else "no slip of this kind next time"
    )
    # A grammar error weighs more than a repeated word.
    weight = 300 * len(spans) / total_words
    return Finding("grammar", name, detail, len(spans), examples, suggestion, goal, weight)


@cache
def _linter() -> Linter:
    return Linter()
