"""The upload form, read as it streams in: the recording goes to a spooled file, is counted, and is kept only up to the limit."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.recordings.recording import MAX_AUDIO_BYTES, Recording
from app.refusals import AudioTooLarge, InvalidBody, InvalidDuration, MissingAudio, NotAudio

# Past the limit the rest is read and thrown away, so that the other fields are seen first and the browser reads our answer
# instead of a reset connection; past this the connection is not worth it.
MAX_BODY_BYTES = 2 * MAX_AUDIO_BYTES
MAX_FIELD_BYTES = 64 * 1024
MAX_PARTS = 100
MAX_HEADER_BYTES = 8 * 1024
MAX_INT4 = 2**31 - 1

_DECIMAL = re.compile(r"\s*\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")


@dataclass
class UploadForm:
    """A parsed form. Of parts with the same name the first counts, as with the browser's own FormData.get."""

    fields: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    recording: Recording | None = None

    def close(self) -> None:
        """Drop the spooled recording."""
        if self.recording is not None:
            self.recording.file.close()

    def valid_recording(self) -> tuple[Recording, int]:
        """The recording and its duration in whole seconds, checked in the contract's order.

        Raises MissingAudio, InvalidDuration, AudioTooLarge, NotAudio.
        """
        recording = self.recording
        if recording is None:
            raise MissingAudio
        duration_s = parse_duration(self.fields.get("duration", ""))
        if recording.size_bytes > MAX_AUDIO_BYTES:
            raise AudioTooLarge
        require_audio_type(recording.content_type)
        return recording, duration_s


def require_audio_type(content_type: str) -> str:
    """The type as it is. Raises NotAudio if it is not one of audio, or cannot be a header of the stored object."""
    if content_type.lower().startswith("audio/") and content_type.isascii() and content_type.isprintable():
        return content_type
    raise NotAudio


def parse_duration(text: str) -> int:
    """Whole seconds of a decimal number such as ``12.5`` or ``1e2``. Raises InvalidDuration for anything else."""
    if _DECIMAL.fullmatch(text) and float(text) <= MAX_INT4:
        return int(float(text))
    raise InvalidDuration


async def read_upload(content_type: str, body: AsyncIterator[bytes]) -> UploadForm:
    """Parse a multipart body while it arrives. Raises InvalidBody, AudioTooLarge."""
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise InvalidBody
    parts = _Parts()
    try:
        parser = MultipartParser(boundary, parts.callbacks)  # pyright: ignore[reportArgumentType]  # a plain dict will do
        received = 0
        async for chunk in body:
            received += len(chunk)
            if received > MAX_BODY_BYTES:
                raise AudioTooLarge
            parser.write(chunk)
        if not parts.ended:
            raise InvalidBody
    except FormParserError:
        parts.form.close()
        raise InvalidBody from None
    except BaseException:
        parts.form.close()
        raise
    return parts.form


class _Parts:
    """Turns the parser's events into a form."""

    def __init__(self) -> None:
        self.form = UploadForm()
        self.ended = False
        self._count = 0
        self._header = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._recording: Recording | None = None
        self._value = bytearray()
        self.callbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._count += 1
        if self._count > MAX_PARTS:
            raise InvalidBody
        self._headers, self._value, self._recording, self._name = {}, bytearray(), None, ""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._extend(0, data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._extend(1, data[start:end])

    def _extend(self, which: int, data: bytes) -> None:
        self._header[which].extend(data)
        if len(self._header[which]) > MAX_HEADER_BYTES:
            raise InvalidBody

    def _header_end(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if b"name" not in options:
            raise InvalidBody
        self._name = options[b"name"].decode("utf-8", "replace")
        # What has a file name is a file, what has none is text: the rule of the Fetch standard.
        is_file = b"filename" in options
        first = self.form.recording is None and self._name not in self.form.fields
        if is_file and first and self._name == "audio":
            content_type = self._headers.get(b"content-type", b"").decode("latin-1").strip()
            self._recording = self.form.recording = Recording(content_type)
        elif is_file:
            self._name = ""

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._recording is not None:
            self._recording.write(data[start:end])
        elif self._name:
            self._value.extend(data[start:end])
            if len(self._value) > MAX_FIELD_BYTES:
                raise InvalidBody

    def _end(self) -> None:
        if self._recording is not None:
            self._recording.file.seek(0)
        elif self._name:
            # PostgreSQL stores no NUL.
            self.form.fields.setdefault(self._name, self._value.decode("utf-8", "replace").replace("\x00", ""))

    def _finish(self) -> None:
        self.ended = True
