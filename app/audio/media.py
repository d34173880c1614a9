"""The media process: learners' files are opened in a child process with limits, never in the service itself.

Why, and what each limit is for: docs/decisions/long-recordings.md.
"""

import asyncio
import io
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Annotated, Literal

from pydantic import BaseModel, Field, PositiveInt, TypeAdapter, ValidationError

from app.audio.recording import AudioFile
from app.audio.silence import Loudness
from app.errors import AudioUnreadable, Permanent, Transient

UNCUTTABLE = "A long recording must be WebM, Ogg, MP4, MP3, WAV or FLAC"
# The limit on CPU time stops a file that never ends. This one is for a machine that is too busy to use up the CPU limit.
TIMEOUT_S = 120.0
# Signals that mean the file is at fault: a crash, or the limit on CPU time.
_BROKEN_BY_THE_FILE = {
    -signal.SIGXCPU,
    -signal.SIGSEGV,
    -signal.SIGBUS,
    -signal.SIGFPE,
    -signal.SIGILL,
    -signal.SIGABRT,
}
# What some platforms need for Python to find its library and temporary files. No secret is inherited.
_INHERITED = ("LD_LIBRARY_PATH", "PYTHONHOME", "TMPDIR")


class _Cut(BaseModel):
    """The sizes in bytes of the parts, which follow each other in the output, and their content type."""

    sizes: Annotated[list[PositiveInt], Field(min_length=1)]
    content_type: Literal["audio/webm", "audio/ogg", "audio/mp4", "audio/mpeg", "audio/wav", "audio/flac"]


class _Refused(BaseModel):
    refused: Literal["not_audio", "uncuttable"]


_ANSWER: TypeAdapter[_Cut | _Refused | Loudness] = TypeAdapter(_Cut | _Refused | Loudness)


class Media:
    """Runs at most ``processes`` concurrently, each with limits on CPU time and memory. Further calls wait."""

    def __init__(self, processes: int, cpu_s: int, memory_bytes: int) -> None:
        self._turn = asyncio.Semaphore(processes)
        self._cpu_s, self._memory_bytes = cpu_s, memory_bytes

    async def parts(self, audio: AudioFile, limit_bytes: int, limit_s: float = inf) -> AsyncGenerator[AudioFile, None]:
        """The recording in parts: files of at most ``limit_bytes`` and ``limit_s`` seconds, in order.

        The same bytes and limits always give the same parts. A truncated recording yields the parts that exist.
        Raises Permanent if it cannot be read or cut, Transient if the process could not do its job.
        """
        with TemporaryFile() as output:
            found = await self._run("cut", audio, output, limit_bytes, limit_s)
            if not isinstance(found, _Cut) or sum(found.sizes) != os.fstat(output.fileno()).st_size:
                raise AudioUnreadable
            start = 0
            for size_bytes in found.sizes:
                file = io.BufferedReader(_Slice(output, start, size_bytes))
                yield AudioFile(file, found.content_type, size_bytes, audio.session_id)
                start += size_bytes

    async def loudness(self, audio: AudioFile) -> Loudness:
        """How loud the recording is. Raises Permanent, Transient."""
        with TemporaryFile() as output:
            found = await self._run("loudness", audio, output)
        if not isinstance(found, Loudness):
            raise AudioUnreadable
        return found

    async def _run(
        self, do: str, audio: AudioFile, output: IO[bytes], limit_bytes: int = 0, limit_s: float = inf
    ) -> "_Cut | _Refused | Loudness":
        audio.file.flush()
        files = (audio.file.fileno(), output.fileno())
        limits = {"limit_bytes": limit_bytes, "limit_s": limit_s, "cpu_s": self._cpu_s}
        job = {"do": do, "recording": files[0], "output": files[1], **limits, "memory_bytes": self._memory_bytes}
        try:
            async with self._turn, _started(json.dumps(job), files) as process, asyncio.timeout(TIMEOUT_S):
                assert process.stdout is not None
                line = await process.stdout.readline()
                status = await process.wait()
        except (TimeoutError, OSError):
            raise Transient("The recording could not be cut in time") from None
        except ValueError:
            # The line is longer than any answer.
            raise AudioUnreadable from None
        return _answer(status, line)


def _answer(status: int, line: bytes) -> "_Cut | _Refused | Loudness":
    if status in _BROKEN_BY_THE_FILE:
        raise AudioUnreadable
    if status != 0:
        raise Transient("The recording could not be cut")
    try:
        found = _ANSWER.validate_json(line)
    except ValidationError:
        raise AudioUnreadable from None
    if isinstance(found, _Refused):
        raise AudioUnreadable if found.refused == "not_audio" else Permanent(UNCUTTABLE)
    return found


@asynccontextmanager
async def _started(job: str, files: tuple[int, int]) -> AsyncGenerator[Process, None]:
    """A media process, killed at the end of the block if it is still running."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-s", "-m", "app.audio.media_process", job),
        # Kept open and never written to: end of file tells the process that this one has died.
        stdin=PIPE,
        stdout=PIPE,
        # FFmpeg may quote the file.
        stderr=DEVNULL,
        env=_environment(),
        cwd="/",
        pass_fds=files,
        # Ctrl-C at a terminal must reach only the service, which finishes its work first.
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _environment() -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    # Wherever the platform has put the packages, find them where this process does.
    return {**inherited, "PYTHONPATH": os.pathsep.join(str(Path(folder).absolute()) for folder in sys.path)}


class _Slice(io.RawIOBase):
    """A range of a file's bytes, as a read-only file."""

    def __init__(self, file: IO[bytes], start: int, size_bytes: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size_bytes, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence] + offset)
        return self._at

    def readinto(self, buffer: "memoryview[int]", /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        count = max(0, min(len(buffer), self._size - self._at))
        piece = os.pread(self._file.fileno(), count, self._start + self._at)
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)
