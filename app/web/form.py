"""The upload form, on Starlette's own parser: the recording goes to a spooled file, written off the event loop."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app.audio.recording import MAX_AUDIO_BYTES, UploadedRecording
from app.refusals import AudioTooLarge, InvalidBody, MissingAudio
from app.web.fields import parse_duration, require_audio_type

# Audio beyond its own limit is read and discarded, so that the other fields are checked first and the browser gets our answer
# instead of a connection reset. Beyond this limit we stop reading.
MAX_FORM_BYTES = 2 * MAX_AUDIO_BYTES
# More than any field may have, in UTF-8. A longer value is truncated here and then refused by the field's own rule.
MAX_FIELD_BYTES = 64 * 1024
MAX_FORM_PARTS = 100
# Each write is handed to a thread, which costs as much CPU as parsing 64 KiB, so several chunks are written at once.
WRITE_BYTES = 256 * 1024
# https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,\-./:=? ]{1,70}")


@dataclass
class UploadForm:
    """A parsed form. If parts have the same name, the first counts, as with the browser's own FormData.get."""

    data: FormData = field(repr=False)

    @property
    def fields(self) -> dict[str, str]:
        """The text fields by name."""
        return {name: value for name, value in reversed(self.data.multi_items()) if isinstance(value, str)}

    def valid_recording(self) -> tuple[UploadedRecording, int]:
        """The recording and its duration in whole seconds, checked in the contract's order.

        Raises MissingAudio, InvalidDuration, AudioTooLarge, WrongType.
        """
        audio = next((value for name, value in self.data.multi_items() if name == "audio"), None)
        if not isinstance(audio, UploadFile):
            raise MissingAudio
        duration_s = parse_duration(self.fields.get("duration", ""))
        if (audio.size or 0) > MAX_AUDIO_BYTES:
            raise AudioTooLarge
        content_type = require_audio_type((audio.content_type or "").strip())
        return UploadedRecording(content_type, audio.file, audio.size or 0), duration_s


async def read_upload(content_type: str, body: AsyncIterator[bytes]) -> UploadForm:
    """Parse a multipart body while it arrives; the caller closes ``data``. Raises InvalidBody, AudioTooLarge."""
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not _BOUNDARY.fullmatch(boundary):
        raise InvalidBody
    try:
        return UploadForm(await _UploadParser(boundary.decode(), body).parse())
    except MultiPartException:
        raise InvalidBody from None


class _UploadParser(MultiPartParser):
    """Starlette's parser with our limits: it keeps one recording, truncates fields and refuses an incomplete body."""

    def __init__(self, boundary: str, body: AsyncIterator[bytes]) -> None:
        # Pass on only the boundary: the parser would decode the fields with any charset that the caller names.
        headers = Headers({"content-type": f'multipart/form-data; boundary="{boundary}"'})
        super().__init__(headers, self._whole(body), max_files=MAX_FORM_PARTS, max_fields=MAX_FORM_PARTS)
        self._recording: UploadFile | None = None
        self._ended = False

    async def _whole(self, body: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        received, pending = 0, bytearray()
        async for chunk in body:
            received += len(chunk)
            if received > MAX_FORM_BYTES:
                raise AudioTooLarge
            pending += chunk
            if len(pending) >= WRITE_BYTES:
                yield bytes(pending)
                pending.clear()
        yield bytes(pending)
        if not self._ended:
            raise InvalidBody

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        # Private, but a parser's callbacks have no other way to get the current part. test_fields.py pins it.
        part = self._current_part
        if part.field_name == "audio" and self._recording is None:
            self._recording = part.file

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._current_part
        if part.file is None:
            end = min(end, start + MAX_FIELD_BYTES - len(part.data))
        elif part.file is not self._recording or (part.file.size or 0) > MAX_AUDIO_BYTES:
            return
        super().on_part_data(data, start, end)

    def on_end(self) -> None:
        self._ended = True
