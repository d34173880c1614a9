"""Finds habits by counting: openers, fillers, connectors, repeated words, sentence length."""

import re
from collections import Counter

from local.analysis.finding import MAX_EXAMPLES, Finding, around, sentences, times, words

FILLERS = ("um", "uh", "er", "like", "you know", "i mean", "kind of", "sort of", "basically", "actually")
CONNECTORS = (
    "however", "therefore", "although", "though", "because", "while", "whereas", "besides", "moreover", "instead", "unless",
    "so", "but", "and then", "and", "or",
)  # fmt: skip
SIMPLE = ("good", "bad", "very", "really", "thing", "things", "nice", "big", "get", "got", "lot", "stuff")
TO_BE = ("am", "is", "are", "was", "were", "be", "been", "being", "it's", "that's")
MIN_REPEATS = 2


def counting_findings(text: str) -> list[Finding]:
    """Return the vocabulary and structure habits in ``text``."""
    habits = (_openers, _fillers, _simple_words, _connectors, _few_connectors, _to_be, _variety, _length)
    found = [habit(text) for habit in habits]
    return [finding for finding in found if finding is not None]


def _openers(text: str) -> Finding | None:
    # Two words are more telling than one: "so I", "it was".
    starts = Counter(" ".join(words(sentence)[:2]) for sentence in sentences(text) if len(words(sentence)) > 2)
    if not starts:
        return None
    opener, count = starts.most_common(1)[0]
    if count < MIN_REPEATS:
        return None
    chosen = [sentence for sentence in sentences(text) if " ".join(words(sentence)[:2]) == opener]
    examples = tuple(_shortened(sentence) for sentence in chosen[:MAX_EXAMPLES])
    return Finding(
        "structure", "Repeated sentence openers", f"{count} sentences begin with '{opener}'.", count, examples,
        "Begin with a time, a place or a reason instead.", f"at most {times(count // 2, 'sentence')} beginning with '{opener}'",
        100 * count / max(3, len(sentences(text))) / 10,
    )  # fmt: skip


def _fillers(text: str) -> Finding | None:
    places = _places(text, FILLERS[:3] + FILLERS[4:])
    if len(places) < MIN_REPEATS:
        return None
    return Finding(
        "vocabulary", "Filler words", "Fillers such as 'um' and 'you know' take the place of a pause.", len(places),
        _examples(text, places), "Pause in silence where a filler would come.", f"at most {times(len(places) // 2, 'filler')}", _share(text, len(places)),
    )  # fmt: skip


def _simple_words(text: str) -> Finding | None:
    counts = Counter(word for word in words(text) if word in SIMPLE)
    if not counts or counts.most_common(1)[0][1] < MIN_REPEATS:
        return None
    word, count = counts.most_common(1)[0]
    places = _places(text, (word,))
    return Finding(
        "vocabulary", "Overused simple words", f"'{word}' occurs {count} times.", count, _examples(text, places),
        f"Prepare three words to say instead of '{word}'.", f"at most {times(count // 2, 'use')} of '{word}'", _share(text, count),
    )  # fmt: skip


def _connectors(text: str) -> Finding | None:
    counts = Counter(connector for connector in CONNECTORS for _ in _places(text, (connector,)))
    total = sum(counts.values())
    if total < 4:
        return None
    name, count = counts.most_common(1)[0]
    if count / total < 0.5:
        return None
    places = _places(text, (name,))
    return Finding(
        "vocabulary", "Limited connector variety", f"'{name}' is {count} of {total} connectors.", count, _examples(text, places),
        "Try 'however', 'although' and 'because of that'.", "three different connectors besides the usual one", _share(text, count) / 2,
    )  # fmt: skip


def _few_connectors(text: str) -> Finding | None:
    places = _places(text, CONNECTORS)
    said = len(sentences(text))
    if said < 5 or len(places) >= said / 2:
        return None
    return Finding(
        "vocabulary", "Few connectors", f"{said} sentences are linked by {len(places)} connectors.", said - len(places), _examples(text, places),
        "Say how two sentences belong together: 'because', 'although', 'instead'.", "a connector in every second sentence",
        2 - 2 * len(places) / said,
    )  # fmt: skip


def _to_be(text: str) -> Finding | None:
    places = _places(text, TO_BE)
    if len(places) < 4 or _share(text, len(places)) < 6:
        return None
    return Finding(
        "vocabulary", "Overuse of 'to be'", f"{len(places)} of {len(words(text))} words are forms of 'to be'.", len(places), _examples(text, places),
        "Choose a verb that says what happens: 'seemed', 'became', 'turned into'.", f"at most {times(len(places) // 2, 'form')} of 'to be'",
        _share(text, len(places)) / 4,
    )  # fmt: skip


def _variety(text: str) -> Finding | None:
    spoken = [word for word in words(text) if len(word) > 3]
    if len(spoken) < 30:
        return None
    word, count = Counter(spoken).most_common(1)[0]
    ratio = len(set(spoken)) / len(spoken)
    if ratio > 0.75 or count < 3:
        return None
    return Finding(
        "vocabulary", "Repeated words", f"{len(set(spoken))} different words among {len(spoken)} longer ones; '{word}' comes most often.",
        count, _examples(text, _places(text, (word,))), f"Find two synonyms of '{word}' before you speak.",
        f"at most {times(max(1, count // 2), 'use')} of '{word}'", _share(text, count) / 2,
    )  # fmt: skip


def _length(text: str) -> Finding | None:
    counts = [len(words(sentence)) for sentence in sentences(text)]
    if len(counts) < 3:
        return None
    longest, mean = max(counts), sum(counts) / len(counts)
    if mean <= 8:
        short = [sentence for sentence in sentences(text) if len(words(sentence)) <= 8]
        return Finding(
            "structure", "Short sentences", f"A sentence has {mean:.0f} words on average.", len(short), tuple(short[:MAX_EXAMPLES]),
            "Join two sentences with 'because', 'although' or 'which'.", "five sentences of more than ten words", 1.0,
        )  # fmt: skip
    if longest < 30:
        return None
    long = [sentence for sentence in sentences(text) if len(words(sentence)) >= 30]
    return Finding(
        "structure", "Very long sentences", f"The longest sentence has {longest} words.", len(long),
        tuple(_shortened(sentence) for sentence in long[:MAX_EXAMPLES]), "End the sentence where you would breathe.",
        "no sentence of more than twenty-five words", 1.2,
    )  # fmt: skip


def _places(text: str, terms: tuple[str, ...]) -> list[tuple[int, int]]:
    pattern = r"\b(?:" + "|".join(re.escape(term) for term in terms) + r")\b"
    return [match.span() for match in re.finditer(pattern, text, re.IGNORECASE)]


def _examples(text: str, places: list[tuple[int, int]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(around(text, start, end, 30) for start, end in places))[:MAX_EXAMPLES]


def _share(text: str, count: int) -> float:
    return 100 * count / max(1, len(words(text)))


def _shortened(sentence: str) -> str:
    return " ".join(sentence.split()[:12])
