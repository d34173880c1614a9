"""How loud a recording is, a tenth of a second at a time. Runs in the media process only."""

from array import array
from math import log10
from operator import mul
from statistics import median
from typing import IO

from app.audio.silence import Loudness
from app.audio.sound import FULL_SCALE, LISTENING_RATE, Decoder, NotAudio, opened

BLOCK_S = 0.1
# The level of digital silence, whose logarithm is undefined: about one step of a 16-bit sample.
FLOOR_DB = -90.0


def loudness(file: IO[bytes]) -> Loudness:
    """Measure the whole recording. Raises NotAudio."""
    block = int(LISTENING_RATE * BLOCK_S)
    levels: list[float] = []
    pending = array("h")
    with opened(file) as source:
        decoder = Decoder()
        for _, packet in source.packets():
            pending.extend(decoder.samples(packet))
            while len(pending) >= block:
                levels.append(_level_db(pending[:block]))
                del pending[:block]
    if not levels:
        raise NotAudio
    return Loudness(len(levels) * BLOCK_S, max(levels), median(levels))


def _level_db(samples: "array[int]") -> float:
    power = sum(map(mul, samples, samples)) / len(samples)
    return max(FLOOR_DB, 10 * log10(power / FULL_SCALE**2)) if power else FLOOR_DB
