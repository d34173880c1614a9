"""Cuts a recording that is too long for one call into parts, at pauses, without encoding anything again.

The packets are copied, so each sounds as it did; only the seconds before a cut are decoded, to find out where it is quiet.
Time and memory are linear in the number of packets: some files are made of nothing else.
"""

from collections import deque
from collections.abc import Iterator
from itertools import accumulate
from math import ceil, inf
from typing import IO, TYPE_CHECKING, NamedTuple

from app.recordings.sound import FULL_SCALE, Ear, NotAudio, Part, Source, opened

if TYPE_CHECKING:
    from app.recordings.sound import Sound

# A cut is chosen from so much sound, or from this share of the limit where that is less; as much again is kept free, for a
# container may take more room than the one before.
WINDOW_S = 30.0
WINDOW_SHARE = 0.04
# The shortest packets in use are Opus's, 2.5 ms (https://www.rfc-editor.org/rfc/rfc6716, section 2.1.4).
WINDOW_PACKETS = 12_000
# What a container adds to each packet: 4 bytes in the index of an MP4, 6 in a WebM, a header for each page in an Ogg.
OVERHEAD_BYTES = 8
# About the length of a pause between two sentences.
PAUSE_S = 0.4
# Far beyond any recording that may be uploaded: 50 MiB of the thinnest speech codec are some 20 hours.
MAX_PARTS = 200


class Uncuttable(Exception):
    """No cut gives parts within the limits."""


def cut(file: IO[bytes], limit_bytes: int, limit_s: float = inf) -> Iterator[tuple[Part, int, str]]:
    """The parts of a recording in order: each open until the next is asked for, with its size in bytes and content type.

    A part is a file of its own of at most ``limit_bytes``, and of at most ``limit_s`` seconds. The same bytes and limits always
    give the same parts, so that a part's number means the same at every attempt. Raises NotAudio, Uncuttable.
    """
    with opened(file) as source:
        total = sum(piece.share for piece in _pieces(source, limit_bytes, limit_s))
    # All parts of about one length: a last one of a few seconds would be hard to understand.
    count = ceil(total / (1 - 2 * WINDOW_SHARE))
    if count == 0:
        raise NotAudio
    if count > MAX_PARTS:
        raise Uncuttable
    with opened(file) as source:
        for part in _parts(source, _pieces(source, limit_bytes, limit_s), total, count):
            size_bytes = part.finish()
            if size_bytes > limit_bytes:
                raise Uncuttable
            yield part, size_bytes, source.content_type


class _Piece(NamedTuple):
    """A packet, its time in ticks, and how much of a part it takes up: the greater of its shares in the limits."""

    at: int
    packet: "Sound"
    share: float


def _pieces(source: Source, limit_bytes: int, limit_s: float) -> Iterator[_Piece]:
    tick_s, before = source.tick_s, 0
    for at, packet in source.packets():
        share = max((packet.size + OVERHEAD_BYTES) / limit_bytes, (at - before) * tick_s / limit_s)
        before = at
        yield _Piece(at, packet, share)


def _parts(source: Source, pieces: Iterator[_Piece], total: float, count: int) -> Iterator[Part]:
    window_ticks = WINDOW_S / source.tick_s if source.tick_s else inf
    # The last seconds, of which it is not decided yet in which part they are.
    window: deque[_Piece] = deque()
    read = in_window = 0.0
    number = 1
    part = Part(source)
    try:
        for piece in pieces:
            window.append(piece)
            read += piece.share
            in_window += piece.share
            while len(window) > 1 and (
                in_window > WINDOW_SHARE or piece.at - window[0].at > window_ticks or len(window) > WINDOW_PACKETS
            ):
                in_window -= _move(window, part)
            if number < count and read >= total * number / count:
                for _ in range(_quietest(source, window)):
                    in_window -= _move(window, part)
                yield part
                part.close()
                part, number = Part(source), number + 1
        while window:
            _move(window, part)
        if not part.empty:
            yield part
    finally:
        part.close()


def _move(window: "deque[_Piece]", part: Part) -> float:
    at, packet, share = window.popleft()
    part.write(at, packet)
    return share


def _quietest(source: Source, window: "deque[_Piece]") -> int:
    """How many packets come before the middle of the quietest PAUSE_S."""
    # What came before the window was never decoded.
    source.restart_decoder()
    ear = Ear()
    sums = [0.0, *accumulate(_loudness(piece.packet, ear) for piece in window)]
    span_s = (window[-1].at - window[0].at) * source.tick_s
    # In one packet at least, and never the whole window.
    pause = max(1, min(len(window) // 2, round(PAUSE_S * len(window) / max(span_s, PAUSE_S))))
    at = min(range(len(sums) - pause), key=lambda start: sums[start + pause] - sums[start])
    return max(1, at + pause // 2)


def _loudness(packet: "Sound", ear: Ear) -> float:
    """The mean amplitude of a packet; loud if it cannot be decoded alone."""
    samples = ear.samples(packet)
    return sum(map(abs, samples)) / len(samples) if samples else FULL_SCALE
