"""Decodes recordings to samples, and encodes samples the way browsers do, with PyAV."""

# pyright: reportUnknownMemberType=false
# PyAV's streams and packets are only partly typed.

import io
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import av
import numpy
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.error import FFmpegError
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.audio.stream import AudioStream

Samples = NDArray[numpy.float32]

SPEECH_RATE = 16_000
# FFmpeg's Opus supports this rate only.
OPUS_RATE = 48_000
BIT_RATE = 64_000
FRAME_SAMPLES = 960


class Undecodable(Exception):
    """The file cannot be decoded as a recording."""


def decode(file: IO[bytes] | Path, rate: int = SPEECH_RATE) -> Samples:
    """Return one channel of samples between -1 and 1 at ``rate``; a truncated file is decoded up to the cut.

    Raises Undecodable.
    """
    source = str(file) if isinstance(file, Path) else file
    chunks: list[Samples] = []
    try:
        with av.open(source, "r") as container:
            if not container.streams.audio:
                raise Undecodable
            resampler = AudioResampler(format="flt", layout="mono", rate=rate)
            for frame in container.decode(container.streams.audio[0]):
                chunks += [_samples(part) for part in resampler.resample(frame)]
            chunks += [_samples(part) for part in resampler.resample(None)]
    except (FFmpegError, ValueError, EOFError):
        if not chunks:
            raise Undecodable from None
    return numpy.concatenate(chunks) if chunks else numpy.zeros(0, numpy.float32)


def _samples(frame: AudioFrame) -> Samples:
    return frame.to_ndarray().reshape(-1).astype(numpy.float32, copy=False)


def human_voice() -> Path:
    """Return the path of a human voice reading "A Tale of Two Cities" (public domain), from ``moonshine-voice``."""
    spec = find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package moonshine-voice is not installed: run make")
    return Path(spec.origin).parent / "assets" / "two_cities.wav"


def as_webm(samples: Samples, rate: int = OPUS_RATE) -> bytes:
    """Encode as Chrome's MediaRecorder does: WebM with Opus, streamed, so the header has no duration."""
    return _encode(samples, rate, "webm", "libopus", {"live": "1"})


def as_mp4(samples: Samples, rate: int = OPUS_RATE) -> bytes:
    """Encode as Safari's MediaRecorder does: fragmented MP4 with AAC."""
    return _encode(
        samples,
        rate,
        "mp4",
        "aac",
        {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "1000000"},
    )


def _encode(samples: Samples, rate: int, container_format: str, codec: str, options: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=container_format, options=options) as container:
        stream = cast("AudioStream", container.add_stream(codec, rate=rate, layout="mono"))  # pyright: ignore[reportUnknownMemberType]
        stream.bit_rate = BIT_RATE
        for frame in _frames(samples, rate):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def _frames(samples: Samples, rate: int) -> Iterator[AudioFrame]:
    for start in range(0, len(samples), FRAME_SAMPLES):
        frame = AudioFrame.from_ndarray(samples[None, start : start + FRAME_SAMPLES], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate, start
        yield frame
