"""Recordings of the passages. A synthetic voice speaks the learners' errors, because it never corrects itself."""

import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from evaluation.golden import DATA
from local.audio import OPUS_RATE, Samples, as_webm, decode, human_voice

# The voice of espeak-ng that models understand best, and its speed in words per minute.
VOICE, SPEED = "en-us", "150"


class NoVoice(Exception):
    """The speech synthesizer is not installed. The message says what to do."""


@dataclass(frozen=True)
class Passage:
    """A spoken text. ``errors`` are pairs: a learner's words, and the corrected words."""

    id: str
    text: str
    errors: tuple[tuple[str, str], ...]
    human: bool


@cache
def passages() -> tuple[Passage, ...]:
    """All passages, with the human recording last."""
    rows = tomllib.loads((DATA / "speech.toml").read_text())["passage"]
    return tuple(
        Passage(
            row["id"],
            " ".join(row["text"].split()),
            tuple((said, corrected) for said, corrected in row.get("errors", ())),
            "recording" in row,
        )
        for row in rows
    )


def recording(passage: Passage) -> bytes:
    """The passage as recorded by a browser: WebM with Opus. Raises NoVoice."""
    return as_webm(decode(human_voice(), OPUS_RATE) if passage.human else _synthesize(passage.text))


def require_voice() -> None:
    """Raises NoVoice if the speech synthesizer is not installed."""
    if not shutil.which("espeak-ng"):
        raise NoVoice(
            "espeak-ng, which speaks the learners' errors, is not installed: on Debian, apt install espeak-ng"
        )


def _synthesize(text: str) -> Samples:
    require_voice()
    with TemporaryDirectory(prefix="evaluation-") as directory:
        file = Path(directory) / "spoken.wav"
        subprocess.run(
            ["espeak-ng", "-v", VOICE, "-s", SPEED, "-w", str(file), "--stdin"], input=text.encode(), check=True
        )
        return decode(file, OPUS_RATE)
