"""The golden set: what learners said, and which habits a teacher would name and would not."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Habit:
    """A habit. ``label`` is one good name of it, ``phrases`` recognize others; the first category is the usual one."""

    id: str
    label: str
    categories: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Pattern:
    """A habit that a teacher would name in a session: quotations that show it, and how often it occurs, from and to."""

    habit: Habit
    quotes: tuple[str, ...]
    frequency: tuple[int, int]
    # The words to count, where the habit is a matter of counting.
    counted: tuple[str, ...] = ()

    @property
    def category(self) -> str:
        """The category that it counts in."""
        return self.habit.categories[0]


@dataclass(frozen=True)
class Session:
    """A transcript. To name a habit in ``allowed`` is neither right nor wrong; ``wrong`` are those that it only seems to show."""

    id: str
    level: str
    text: str
    patterns: tuple[Pattern, ...]
    wrong: frozenset[str]
    allowed: frozenset[str]


@cache
def habits() -> dict[str, Habit]:
    """All habits by their id."""
    return {name: _habit(name, row) for name, row in _read(DATA / "habits.toml").items()}


@cache
def sessions() -> tuple[Session, ...]:
    """The whole set, in the order of its files."""
    files = sorted((DATA / "sessions").glob("*.toml"))
    return tuple(_session(row) for file in files for row in _read(file)["session"])


def _habit(name: str, row: dict[str, Any]) -> Habit:
    phrases = tuple(tuple(str(phrase).split()) for phrase in row["phrases"])
    return Habit(name, row["label"], tuple(row["categories"]), phrases)


def _session(row: dict[str, Any]) -> Session:
    patterns = tuple(_pattern(each) for each in row.get("pattern", []))
    # Lines in the file are wrapped; a transcript is one line.
    text = " ".join(row["text"].split())
    return Session(row["id"], row["level"], text, patterns, frozenset(row["wrong"]), frozenset(row["allowed"]))


def _pattern(row: dict[str, Any]) -> Pattern:
    low, high = row["frequency"]
    return Pattern(habits()[row["habit"]], tuple(row["quotes"]), (low, high), tuple(row.get("counted", ())))


def _read(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text())
