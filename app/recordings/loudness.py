"""How loud a recording is, a tenth of a second at a time. Runs in the media process only."""

from array import array
from math import log10
from operator import mul
from statistics import median
from typing import IO

from app.recordings.silence import Loudness
from app.recordings.sound import FULL_SCALE, LISTENING_RATE, Ear, NotAudio, opened

BLOCK_S = 0.1
# Digital silence, whose level has no logarithm: the step of 16 bits.
FLOOR_DB = -90.0


def loudness(file: IO[bytes]) -> Loudness:
    """Decode the whole recording. Raises NotAudio."""
    block = int(LISTENING_RATE * BLOCK_S)
    levels: list[float] = []
    pending = array("h")
    with opened(file) as source:
        ear = Ear()
        for _, packet in source.packets():
            pending.extend(ear.samples(packet))
            while len(pending) >= block:
                levels.append(_level_db(pending[:block]))
                del pending[:block]
    if not levels:
        raise NotAudio
    return Loudness(len(levels) * BLOCK_S, max(levels), median(levels))


def _level_db(samples: "array[int]") -> float:
    power = sum(map(mul, samples, samples)) / len(samples)
    return max(FLOOR_DB, 10 * log10(power / FULL_SCALE**2)) if power else FLOOR_DB
