"""A thin layer over PyAV: reads the packets of a recording, decodes them to samples, writes them to new files.

Runs in the media process only (app/audio/media_process.py): FFmpeg parses hostile bytes here.
"""

# pyright: reportUnknownMemberType=false
# PyAV's containers are only partly typed.

from array import array
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, cast

import av
from av.audio.resampler import AudioResampler
from av.error import ArgumentError, FFmpegError
from av.error import MemoryError as OutOfMemory

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

    Sound = Packet[AudioStream]

# FFmpeg's name of the input format → the output format and its content type. FFmpeg opens nothing else: a playlist, for
# example, could refer to other files.
CONTAINERS = {
    "matroska,webm": ("webm", "audio/webm"),
    "ogg": ("ogg", "audio/ogg"),
    "mov,mp4,m4a,3gp,3g2,mj2": ("mp4", "audio/mp4"),
    "mp3": ("mp3", "audio/mpeg"),
    "wav": ("wav", "audio/wav"),
    "flac": ("flac", "audio/flac"),
}
# Enough to tell speech from silence.
LISTENING_RATE = 8_000
# The largest amplitude of a sample.
FULL_SCALE = 1 << 15
# Longer gaps between packets are shortened to this.
MAX_GAP_S = 30.0


class NotAudio(Exception):
    """The bytes cannot be read as audio."""


class UnknownContainer(NotAudio):
    """The file may be a recording, but its container is not one of ``CONTAINERS``."""


@dataclass(frozen=True)
class Source:
    """An open recording: its first audio stream, the container's short name and its type."""

    container: "InputContainer"
    stream: "AudioStream"
    name: str
    content_type: str

    @property
    def tick_s(self) -> float:
        """The unit of a packet's ``pts``, in seconds."""
        return float(self.stream.time_base or 0)

    def packets(self) -> "Iterator[tuple[int, Sound]]":
        """The packets that hold sound, in order, each with its time in ticks: from 0, never backwards, without long gaps.

        Of a damaged file, only those before the damage. Raises NotAudio.
        """
        max_gap = int(MAX_GAP_S / self.tick_s) if self.tick_s else 0
        clock = duration = 0
        before: int | None = None
        try:
            for packet in self.container.demux(self.stream):
                # An empty packet marks the end.
                if not packet.size or packet.is_corrupt:
                    continue
                at = packet.pts
                if before is not None:
                    elapsed = duration if at is None or at < before else at - before
                    clock += min(elapsed, max_gap)
                before, duration = at, packet.duration or 0
                yield clock, packet
        except OutOfMemory:
            raise NotAudio from None
        except FFmpegError:
            return

    def restart_decoder(self) -> None:
        """Decode the next packets independently of those before."""
        self.stream.codec_context.flush_buffers()


@contextmanager
def opened(file: IO[bytes]) -> Generator[Source, None, None]:
    """Open ``file`` from its start. Raises NotAudio, which also replaces any FFmpegError inside the block."""
    file.seek(0)
    try:
        # Metadata in an invalid encoding is no reason to refuse a file.
        options = {"format_whitelist": ",".join(CONTAINERS)}
        with av.open(file, "r", metadata_errors="replace", options=options) as container:
            if not container.streams.audio:
                raise NotAudio
            name, content_type = CONTAINERS[container.format.name]
            yield Source(container, container.streams.audio[0], name, content_type)
    except ArgumentError:
        # FFmpeg knows the container, but it is not on the list.
        raise UnknownContainer from None
    except FFmpegError:
        raise NotAudio from None


class Part:
    """A new file that packets are written to, with times relative to the first one."""

    def __init__(self, source: Source) -> None:
        name = source.name
        if name == "webm" and source.stream.codec_context.name not in ("opus", "vorbis"):
            name = "matroska"
        self.file = TemporaryFile()  # noqa: SIM115  # closed by close()
        self._container = av.open(self.file, "w", format=name)
        self._stream = self._container.add_stream_from_template(source.stream)
        self._start: int | None = None

    def write(self, at: int, packet: "Sound") -> None:
        """Append a packet whose time is ``at``, in ticks."""
        if self._start is None:
            self._start = at
        packet.pts = packet.dts = at - self._start
        packet.stream = self._stream
        self._container.mux_one(packet)

    @property
    def empty(self) -> bool:
        """Whether nothing was written."""
        return self._start is None

    def finish(self) -> int:
        """Close the container, rewind the file and return its size in bytes."""
        self._container.close()
        size_bytes = self.file.seek(0, 2)
        self.file.seek(0)
        return size_bytes

    def close(self) -> None:
        """Close the file."""
        self._container.close()
        self.file.close()


class Decoder:
    """Decodes packets to samples: one channel, LISTENING_RATE, between -FULL_SCALE and FULL_SCALE."""

    def __init__(self) -> None:
        self._resampler = AudioResampler(format="s16", layout="mono", rate=LISTENING_RATE)

    def samples(self, packet: "Sound") -> "array[int]":
        """The samples of a packet; empty if it cannot be decoded on its own."""
        samples = array("h")
        try:
            for frame in cast("list[Any]", packet.decode()):
                for resampled in self._resampler.resample(frame):
                    samples.frombytes(bytes(resampled.planes[0])[: resampled.samples * 2])
        except OutOfMemory:
            raise NotAudio from None
        except FFmpegError:
            return array("h")
        return samples
