"""Long recordings: a human voice, repeated by copying its packets."""

# pyright: reportUnknownMemberType=false
# PyAV's containers are only partly typed.

import io
import wave
from fractions import Fraction
from functools import cache, lru_cache
from typing import TYPE_CHECKING, cast

import av
import numpy

from local.audio import OPUS_RATE, Samples, decode, human_voice

if TYPE_CHECKING:
    from av.audio.stream import AudioStream

# Formats as written by browsers and recorders.
FORMATS: dict[str, tuple[str, str, dict[str, str]]] = {
    "webm": ("webm", "libopus", {"live": "1"}),
    "ogg": ("ogg", "libopus", {}),
    "mp4": ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "1000000"}),
    "m4a": ("mp4", "aac", {}),
    "mp3": ("mp3", "libmp3lame", {}),
    "flac": ("flac", "flac", {}),
}
TYPES = {"m4a": "audio/mp4", "mp3": "audio/mpeg"}


@cache
def voice(rate: int = OPUS_RATE) -> Samples:
    """The human voice, 44 seconds long."""
    return decode(human_voice(), rate)


@lru_cache(2)
def recording(name: str, times: int) -> bytes:
    """The voice repeated ``times`` times, in one of FORMATS or as ``wav``."""
    if name == "wav":
        return _wav(times)
    container, codec, options = FORMATS[name]
    once = io.BytesIO(_encoded(container, codec))
    out = io.BytesIO()
    with av.open(once, "r") as source, av.open(out, "w", format=container, options=options) as target:
        from_stream = source.streams.audio[0]
        packets = [
            (bytes(packet), packet.pts or 0, packet.duration) for packet in source.demux(from_stream) if packet.size
        ]
        to_stream = target.add_stream_from_template(from_stream)
        step = packets[-1][1] - packets[0][1] + (packets[0][2] or packets[2][1] - packets[1][1])
        for turn in range(times):
            for data, pts, duration in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base = to_stream, from_stream.time_base or Fraction(1, OPUS_RATE)
                packet.pts = packet.dts = pts + turn * step
                packet.duration = duration
                packet.is_keyframe = True
                target.mux_one(packet)
    return out.getvalue()


@cache
def _encoded(container: str, codec: str) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=container) as target:
        layout, sample_format = "mono", "s16" if codec == "flac" else "fltp"
        stream = cast("AudioStream", target.add_stream(codec, rate=OPUS_RATE, layout=layout))
        stream.bit_rate = 64_000
        samples = voice()[None]
        if codec == "flac":
            samples = (samples * 32767).astype("<i2")
        step = 4608 if codec == "flac" else 960
        for start in range(0, samples.shape[1], step):
            piece = numpy.ascontiguousarray(samples[:, start : start + step])
            frame = av.AudioFrame.from_ndarray(piece, format=sample_format, layout=layout)
            frame.sample_rate, frame.pts = OPUS_RATE, start
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return out.getvalue()


def _wav(times: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(OPUS_RATE)
        target.writeframes((numpy.tile(voice(), times) * 32767).astype("<i2").tobytes())
    return out.getvalue()


def packets(data: bytes) -> bytes:
    """The concatenated contents of a recording's packets."""
    with av.open(io.BytesIO(data), "r") as source:
        return b"".join(bytes(packet) for packet in source.demux(source.streams.audio[0]) if packet.size)
