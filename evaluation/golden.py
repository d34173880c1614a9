"""The golden set: transcripts of learners, and the habits that a teacher would name in each."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Habit:
    """A habit. ``label`` is a good name, ``phrases`` recognize other names, and the first category is the usual one."""

    id: str
    label: str
    categories: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Pattern:
    """A habit in a session: quotations that show it, and the minimum and maximum of how often it occurs."""

    habit: Habit
    quotes: tuple[str, ...]
    frequency: tuple[int, int]
    # The words to count, if the habit is the repeated use of certain words.
    counted: tuple[str, ...] = ()

    @property
    def category(self) -> str:
        """The category in which it is scored."""
        return self.habit.categories[0]


@dataclass(frozen=True)
class GoldenSession:
    """A transcript with its patterns.

    Naming a habit in ``allowed`` is neither right nor wrong. Habits in ``wrong`` are traps that the text only seems to
    show.
    """

    id: str
    level: str
    text: str
    patterns: tuple[Pattern, ...]
    wrong: frozenset[str]
    allowed: frozenset[str]


@cache
def habits() -> dict[str, Habit]:
    """All habits by id."""
    return {name: _habit(name, row) for name, row in _read(DATA / "habits.toml").items()}


@cache
def sessions() -> tuple[GoldenSession, ...]:
    """The whole set, in order of its files."""
    files = sorted((DATA / "sessions").glob("*.toml"))
    return tuple(_session(row) for file in files for row in _read(file)["session"])


def _habit(name: str, row: dict[str, Any]) -> Habit:
    phrases = tuple(tuple(str(phrase).split()) for phrase in row["phrases"])
    return Habit(name, row["label"], tuple(row["categories"]), phrases)


def _session(row: dict[str, Any]) -> GoldenSession:
    patterns = tuple(_pattern(each) for each in row.get("pattern", []))
    # The file wraps lines, but a transcript is a single line.
    text = " ".join(row["text"].split())
    return GoldenSession(row["id"], row["level"], text, patterns, frozenset(row["wrong"]), frozenset(row["allowed"]))


def _pattern(row: dict[str, Any]) -> Pattern:
    low, high = row["frequency"]
    return Pattern(habits()[row["habit"]], tuple(row["quotes"]), (low, high), tuple(row.get("counted", ())))


def _read(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text())
