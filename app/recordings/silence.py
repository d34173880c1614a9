"""Whether a recording holds speech at all, judged by how loud it is: docs/decisions/silence.md has the measurements.

Whisper writes "you" or "Thank you." for a muted microphone, and a learner would read about words that nobody said.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Loudness:
    """A recording's length in seconds, and the level of its loudest and of its median tenth of a second in dB of full scale."""

    seconds: float
    loudest_db: float
    median_db: float


# Fewer words than this in so many seconds or more: nobody presses a button to say so little.
FEW_WORDS = 5
LONG_S = 10.0
# A voice so quiet that half of its words are lost is 5 dB louder than this at its loudest (docs/decisions/silence.md).
SILENCE_DB = -70.0
# In a steady noise: a voice as loud as the noise rises 3 dB above it.
STEADY_DB = 1.5


def is_suspicious(text: str, duration_s: int | None) -> bool:
    """Whether a transcript may have been made of silence, so that the sound is worth a look. ``duration_s`` is the page's."""
    return 0 < len(text.split()) < FEW_WORDS and (duration_s is None or duration_s >= LONG_S)


def is_silent(sound: Loudness) -> bool:
    """Whether nothing was said in LONG_S or more: no sound, or nothing above a steady hiss or hum."""
    nothing = sound.loudest_db < SILENCE_DB or sound.loudest_db - sound.median_db < STEADY_DB
    return sound.seconds >= LONG_S and nothing
