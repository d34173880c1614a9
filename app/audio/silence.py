"""Decides by loudness whether a recording contains speech: docs/decisions/silence.md has the measurements.

Whisper hallucinates "you" or "Thank you." for a muted microphone, and the learner would get insights about words that nobody
said.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Loudness:
    """A recording's length in seconds, and the level of its loudest and of its median tenth of a second in dB of full scale."""

    seconds: float
    loudest_db: float
    median_db: float


# A transcript of fewer words is suspicious if the recording is at least LONG_S long: few people record so little.
FEW_WORDS = 5
LONG_S = 10.0
# A voice that Whisper understands is louder (docs/decisions/silence.md).
SILENCE_DB = -70.0
# For steady noise: a voice as loud as the noise raises the level by 3 dB.
STEADY_DB = 1.5


def is_suspicious(text: str, duration_s: int | None) -> bool:
    """Whether a transcript may be invented, so that the loudness is worth measuring. ``duration_s`` is the browser's figure."""
    return 0 < len(text.split()) < FEW_WORDS and (duration_s is None or duration_s >= LONG_S)


def is_silent(sound: Loudness) -> bool:
    """Whether nobody speaks in a recording of at least LONG_S: it has no sound, or nothing above a steady hiss or hum."""
    nothing = sound.loudest_db < SILENCE_DB or sound.loudest_db - sound.median_db < STEADY_DB
    return sound.seconds >= LONG_S and nothing
