"""A recording as it passes through the service: its file, content type and file name."""

from dataclasses import dataclass, field
from typing import IO

# A short recording stays in memory, a longer one is spooled to disk.
SPOOL_BYTES = 1024 * 1024
# The contract's limit for an upload: one byte more is refused.
MAX_AUDIO_BYTES = 50 * 1024 * 1024

# Whisper tells the format from the file name's extension: https://platform.openai.com/docs/guides/speech-to-text
_ENDINGS = {
    "x-m4a": "m4a",
    "x-wav": "wav",
    "wave": "wav",
    "vnd.wave": "wav",
    "x-flac": "flac",
    "aac": "m4a",
    "mp4a-latm": "m4a",
}


@dataclass(frozen=True)
class UploadedRecording:
    """An uploaded recording: the content type that the browser sent, its bytes, and their number."""

    content_type: str
    file: IO[bytes] = field(repr=False)
    size_bytes: int


@dataclass(frozen=True)
class AudioFile:
    """A recording in a file open for reading, at its start. ``content_type`` is as the browser sent it."""

    file: IO[bytes] = field(repr=False)
    content_type: str
    size_bytes: int
    session_id: str

    @property
    def filename(self) -> str:
        """The file name sent to Whisper: the original's, but with the extension of the recording's own type."""
        kind = extension(self.content_type)
        return f"session-{self.session_id}.{_ENDINGS.get(kind, kind)}"


def extension(content_type: str) -> str:
    """The subtype of a MIME type, without parameters and in lower case; ``webm`` if there is none.

    >>> extension("audio/webm;codecs=opus"), extension("audio/mpeg"), extension("audio/")
    ('webm', 'mpeg', 'webm')
    """
    _, _, subtype = content_type.partition("/")
    kind = subtype.split("/")[0].split(";")[0].strip().lower()
    return "".join(c for c in kind if c.isascii() and (c.isalnum() or c in "-.+")).strip(".") or "webm"
