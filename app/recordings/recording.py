"""A recording on its way through the service: a file, its type, the names it goes by."""

from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO

# A short recording stays in memory, a longer one is spooled to disk.
SPOOL_BYTES = 1024 * 1024
# The contract's limit for an upload: one byte more is refused.
MAX_AUDIO_BYTES = 50 * 1024 * 1024

# Whisper goes by the file name's ending: https://platform.openai.com/docs/guides/speech-to-text
_ENDINGS = {
    "x-m4a": "m4a",
    "x-wav": "wav",
    "wave": "wav",
    "vnd.wave": "wav",
    "x-flac": "flac",
    "aac": "m4a",
    "mp4a-latm": "m4a",
}


@dataclass
class Recording:
    """A recording as it arrives: its bytes up to the limit, how many came in all, its type as the browser wrote it."""

    content_type: str
    file: IO[bytes] = field(default_factory=lambda: SpooledTemporaryFile[bytes](max_size=SPOOL_BYTES), repr=False)
    size_bytes: int = 0

    def write(self, data: bytes) -> None:
        """Count the data, and keep it while the recording is within the limit."""
        self.size_bytes += len(data)
        if self.size_bytes <= MAX_AUDIO_BYTES:
            self.file.write(data)


@dataclass(frozen=True)
class Audio:
    """A recording in a file open for reading, at its start. ``content_type`` is as the browser sent it."""

    file: IO[bytes] = field(repr=False)
    content_type: str
    size_bytes: int
    session_id: str

    @property
    def filename(self) -> str:
        """The name Whisper sees: the original's, with an ending of the recording's own type."""
        kind = extension(self.content_type)
        return f"session-{self.session_id}.{_ENDINGS.get(kind, kind)}"


def extension(content_type: str) -> str:
    """The second half of a mime type before any parameter, in lower case; ``webm`` if there is none.

    >>> extension("audio/webm;codecs=opus"), extension("audio/mpeg"), extension("audio/")
    ('webm', 'mpeg', 'webm')
    """
    _, _, subtype = content_type.partition("/")
    kind = subtype.split("/")[0].split(";")[0].strip().lower()
    return "".join(c for c in kind if c.isascii() and (c.isalnum() or c in "-.+")).strip(".") or "webm"
