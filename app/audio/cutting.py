"""Cuts a recording that is too long for one call into parts, at pauses and without re-encoding.

Packets are copied unchanged. Only the seconds before a cut are decoded, to find the quietest spot. Time and memory are linear in
the number of packets, because a hostile file may consist of millions of tiny ones.
"""

from collections import deque
from collections.abc import Iterator
from itertools import accumulate
from math import ceil, inf
from typing import IO, TYPE_CHECKING, NamedTuple

from app.audio.sound import FULL_SCALE, Decoder, NotAudio, Part, Source, opened

if TYPE_CHECKING:
    from app.audio.sound import Sound

# A cut is placed within this much sound, or within this share of a part's limit if that is less. The same share again is left
# free, because the new container may have more overhead than the original.
WINDOW_S = 30.0
WINDOW_SHARE = 0.04
# The shortest packets in use are Opus's, 2.5 ms (https://www.rfc-editor.org/rfc/rfc6716, section 2.1.4).
WINDOW_PACKETS = 12_000
# What a container adds to each packet: 4 bytes in the index of an MP4, 6 in a WebM, a header for each page in an Ogg.
PACKET_OVERHEAD_BYTES = 8
# About the length of a pause between two sentences.
PAUSE_S = 0.4
# Far more than any permitted upload needs: with the most compact speech codec, 50 MiB are about 20 hours.
MAX_PARTS = 200


class Uncuttable(Exception):
    """No cut gives parts within the limits."""


def cut(file: IO[bytes], limit_bytes: int, limit_s: float = inf) -> Iterator[tuple[Part, int, str]]:
    """The parts of a recording in order, each open until the next is requested, with its size in bytes and content type.

    A part is a file of its own of at most ``limit_bytes``, and of at most ``limit_s`` seconds. The same bytes and limits always
    give the same parts, so that a part's number means the same in every attempt. Raises NotAudio, Uncuttable.
    """
    with opened(file) as source:
        total = sum(piece.share for piece in _packets(source, limit_bytes, limit_s))
    # Parts of about equal length, because a last one of only a few seconds would be hard to transcribe.
    count = ceil(total / (1 - 2 * WINDOW_SHARE))
    if count == 0:
        raise NotAudio
    if count > MAX_PARTS:
        raise Uncuttable
    with opened(file) as source:
        for part in _parts(source, _packets(source, limit_bytes, limit_s), total, count):
            size_bytes = part.finish()
            if size_bytes > limit_bytes:
                raise Uncuttable
            yield part, size_bytes, source.content_type


class _Piece(NamedTuple):
    """A packet, its time in ticks, and its share of a part's limit in bytes or in seconds, whichever is greater."""

    at: int
    packet: "Sound"
    share: float


def _packets(source: Source, limit_bytes: int, limit_s: float) -> Iterator[_Piece]:
    tick_s, before = source.tick_s, 0
    for at, packet in source.packets():
        share = max((packet.size + PACKET_OVERHEAD_BYTES) / limit_bytes, (at - before) * tick_s / limit_s)
        before = at
        yield _Piece(at, packet, share)


def _parts(source: Source, pieces: Iterator[_Piece], total: float, count: int) -> Iterator[Part]:
    window_ticks = WINDOW_S / source.tick_s if source.tick_s else inf
    # The last seconds, which may still go into this part or into the next.
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
    # The packets before the window were not decoded.
    source.restart_decoder()
    decoder = Decoder()
    sums = [0.0, *accumulate(_mean_amplitude(piece.packet, decoder) for piece in window)]
    span_s = (window[-1].at - window[0].at) * source.tick_s
    # At least one packet, and never the whole window.
    pause = max(1, min(len(window) // 2, round(PAUSE_S * len(window) / max(span_s, PAUSE_S))))
    at = min(range(len(sums) - pause), key=lambda start: sums[start + pause] - sums[start])
    return max(1, at + pause // 2)


def _mean_amplitude(packet: "Sound", decoder: Decoder) -> float:
    """The mean amplitude of a packet; FULL_SCALE if it cannot be decoded on its own."""
    samples = decoder.samples(packet)
    return sum(map(abs, samples)) / len(samples) if samples else FULL_SCALE
