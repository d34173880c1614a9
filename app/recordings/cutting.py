"""Cuts a recording that is too long for one call into parts, at pauses, without encoding anything again.

The packets are copied, so each sounds as it did; only the seconds before a cut are decoded, to find out where it is quiet.
"""

# pyright: reportUnknownMemberType=false
# PyAV's containers are only partly typed.

from array import array
from collections import deque
from collections.abc import Iterator
from math import ceil
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, cast

from app.errors import Permanent
from app.recordings.recording import Audio
from app.recordings.truncation import is_cut_off

if TYPE_CHECKING:
    from av.audio.resampler import AudioResampler
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

    Sound = Packet[AudioStream]

# FFmpeg's name for what it reads → what is written, and its type. Nothing else is opened at all: a playlist, say, could name
# other files.
CONTAINERS = {
    "matroska,webm": ("webm", "audio/webm"),
    "ogg": ("ogg", "audio/ogg"),
    "mov,mp4,m4a,3gp,3g2,mj2": ("mp4", "audio/mp4"),
    "mp3": ("mp3", "audio/mpeg"),
    "wav": ("wav", "audio/wav"),
    "flac": ("flac", "audio/flac"),
}
# A cut is chosen from so much sound, or from this share of the limit where that is less; as much again is kept free, for a
# container may take more room than the one before.
WINDOW_S = 30.0
WINDOW_SHARE = 0.04
# Between two sentences people are quiet for about so long.
PAUSE_S = 0.4
# Enough to tell speech from none.
LISTENING_RATE = 8_000

NOT_AUDIO = "The recording could not be read as audio"
CUT_OFF = "The recording is damaged, or ends in the middle"
UNCUTTABLE = "A recording of more than 25 MB must be WebM, Ogg, MP4, MP3, WAV or FLAC"


def cut(audio: Audio, limit_bytes: int) -> Iterator[Audio]:
    """The parts of ``audio`` in order, each a file of its own of at most ``limit_bytes``, open until the next is asked for.

    The same bytes are always cut at the same places, so that a part's number means the same at every attempt. One part is made
    at a time. Raises Permanent for what is not audio, is cut off, or is in a container that is not known here.
    """
    import av
    from av.error import FFmpegError

    try:
        # Metadata of any encoding is read over.
        with av.open(
            audio.file, "r", metadata_errors="replace", options={"format_whitelist": ",".join(CONTAINERS)}
        ) as container:
            if not container.streams.audio:
                raise Permanent(NOT_AUDIO)
            if container.format.name not in CONTAINERS:
                raise Permanent(UNCUTTABLE)
            name, content_type = CONTAINERS[container.format.name]
            position = audio.file.tell()
            if is_cut_off(audio.file, name, audio.size_bytes):
                raise Permanent(CUT_OFF)
            audio.file.seek(position)
            for part in _parts(container, name, audio.size_bytes, limit_bytes):
                size_bytes = part.finish()
                if size_bytes > limit_bytes:
                    raise Permanent(UNCUTTABLE)
                yield Audio(part.file, content_type, size_bytes, audio.session_id)
    except FFmpegError:
        raise Permanent(NOT_AUDIO) from None


class _Part:
    """A file that takes packets, moved to begin at zero."""

    def __init__(self, source: "AudioStream", container: str) -> None:
        import av

        if container == "webm" and source.codec_context.name not in ("opus", "vorbis"):
            container = "matroska"
        self.file = TemporaryFile()  # noqa: SIM115  # closed by close()
        self._container = av.open(self.file, "w", format=container)
        self._stream = self._container.add_stream_from_template(source)
        self._start: int | None = None
        self.packets = 0

    def write(self, packet: "Sound") -> None:
        if self._start is None:
            self._start = packet.pts or 0
        packet.pts = (packet.pts or 0) - self._start
        packet.dts = packet.pts
        packet.stream = self._stream
        self._container.mux_one(packet)
        self.packets += 1

    def finish(self) -> int:
        """Close the container; the file's size in bytes, the file at its start."""
        self._container.close()
        size_bytes = self.file.seek(0, 2)
        self.file.seek(0)
        return size_bytes

    def close(self) -> None:
        self._container.close()
        self.file.close()


def _parts(container: "InputContainer", name: str, size_bytes: int, limit_bytes: int) -> Iterator[_Part]:
    stream = container.streams.audio[0]
    # All parts of about one length: a last one of a few seconds would be hard to understand.
    count = ceil(size_bytes / (limit_bytes * (1 - 2 * WINDOW_SHARE)))
    number = 1
    # The last seconds, of which it is not decided yet in which part they are.
    window: deque[Sound] = deque()
    window_bytes = 0
    part = _Part(stream, name)
    try:
        for packet in container.demux(stream):
            if packet.size == 0:  # the end
                continue
            if packet.is_corrupt:
                raise Permanent(CUT_OFF)
            window.append(packet)
            window_bytes += packet.size
            while _span_s(window) > WINDOW_S or window_bytes > limit_bytes * WINDOW_SHARE:
                window_bytes -= window[0].size
                part.write(window.popleft())
            if number < count and (packet.pos or 0) >= size_bytes * number / count:
                for _ in range(_quietest(stream, window)):
                    part.write(window.popleft())
                yield part
                window_bytes = sum(packet.size for packet in window)
                part.close()
                part, number = _Part(stream, name), number + 1
        for packet in window:
            part.write(packet)
        if part.packets:
            yield part
    finally:
        part.close()


def _span_s(window: "deque[Sound]") -> float:
    first, last = window[0], window[-1]
    return float(((last.pts or 0) - (first.pts or 0)) * (first.time_base or 0))


def _quietest(stream: "AudioStream", window: "deque[Sound]") -> int:
    """How many packets come before the middle of the quietest PAUSE_S."""
    from av.audio.resampler import AudioResampler

    # What came before the window was never decoded.
    stream.codec_context.flush_buffers()
    resampler = AudioResampler(format="s16", layout="mono", rate=LISTENING_RATE)
    loudness = [_loudness(packet, resampler) for packet in window]
    # In one packet at least, and never the whole window.
    pause = max(1, min(len(window) // 2, round(PAUSE_S * len(window) / max(_span_s(window), PAUSE_S))))
    at = min(range(len(loudness) - pause + 1), key=lambda start: sum(loudness[start : start + pause]))
    return max(1, at + pause // 2)


def _loudness(packet: "Sound", resampler: "AudioResampler") -> float:
    """The mean amplitude of a packet; loud if it cannot be decoded alone."""
    from av.error import FFmpegError

    samples = array("h")
    try:
        for frame in cast("list[Any]", packet.decode()):
            for resampled in resampler.resample(frame):
                samples.frombytes(bytes(resampled.planes[0])[: resampled.samples * 2])
    except FFmpegError:
        return float("inf")
    return sum(map(abs, samples)) / len(samples) if samples else float("inf")
