"""Whether a recording ends in the middle: read off the lengths that its container declares.

A decoder plays what is left of such a file without a word; a learner would miss the rest of the session without one, too.
"""

from collections.abc import Callable
from typing import IO

# Elements that hold others and may be open-ended: https://www.rfc-editor.org/rfc/rfc9559 (section 5)
_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_OGG_HEADER = 27
_ID3_HEADER = 10
# One frame, which writers of the header below count in or leave out.
_MP3_SLACK = 2880


def is_cut_off(file: IO[bytes], container: str, size_bytes: int) -> bool:
    """Whether ``file`` ends before its own structure does. False where the container does not tell.

    ``container`` is ``webm``, ``ogg``, ``mp4``, ``mp3``, ``wav`` or another. Moves the file's position.
    """
    check = _CHECKS.get(container)
    return check is not None and check(file, size_bytes)


def _webm(file: IO[bytes], size: int) -> bool:
    position = 0
    while position < size:
        head = _at(file, position, 12)
        name, start = _vint(head, 0, keep_marker=True)
        length, end = _vint(head, start, keep_marker=False)
        if 0 in (start, end):
            return False  # not an element: what is here says nothing
        if end > len(head):
            return True
        open_ended = length == (1 << 7 * (end - start)) - 1
        inside = position + end
        if not open_ended and inside + length > size:
            return True
        position = inside if name in (_SEGMENT, _CLUSTER) or open_ended else inside + length
    return False


def _vint(head: bytes, at: int, *, keep_marker: bool) -> tuple[int, int]:
    """A number of variable length, and where it ends: beyond the bytes if it is cut, at 0 if it is none."""
    if at >= len(head):
        return 0, at + 1
    width = 9 - head[at].bit_length()
    if width > 8:
        return 0, 0
    value = int.from_bytes(head[at : at + width], "big")
    return (value if keep_marker else value & (1 << 7 * width) - 1), at + width


def _ogg(file: IO[bytes], size: int) -> bool:
    # https://www.rfc-editor.org/rfc/rfc3533 (section 6): the last byte of the header counts the lengths that follow it.
    position = 0
    while position < size:
        head = _at(file, position, _OGG_HEADER + 255)
        if not b"OggS".startswith(head[:4]):
            return False
        if len(head) < _OGG_HEADER:
            return True
        body = _OGG_HEADER + head[_OGG_HEADER - 1]
        position += body + sum(head[_OGG_HEADER:body])
    return position > size


def _mp4(file: IO[bytes], size: int) -> bool:
    # ISO/IEC 14496-12, section 4.2: a box is its length in four bytes, or in eight after a 1; a 0 runs to the end.
    position = 0
    while position < size:
        head = _at(file, position, 16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if len(head) < 8:
            return True
        if length < 8:
            return False
        position += length
    return position > size


def _wav(file: IO[bytes], size: int) -> bool:
    head = _at(file, 0, 8)
    length = int.from_bytes(head[4:], "little")
    # Streaming writers leave it at one of the ends of its range.
    return head.startswith(b"RIFF") and length < 0x7FFFF000 and length + 8 > size


def _mp3(file: IO[bytes], size: int) -> bool:
    # The tag in the first frame that says how long all of them are: http://gabriel.mp3-tech.org/mp3infotag.html
    head, start = _at(file, 0, _ID3_HEADER), 0
    if head.startswith(b"ID3"):
        a, b, c, d = (byte & 127 for byte in head[6:].ljust(4, b"\0"))
        start = _ID3_HEADER + (a << 21 | b << 14 | c << 7 | d)
    frame = _at(file, start, 80).ljust(80, b"\0")
    tag = max(frame.find(b"Xing", 0, 64), frame.find(b"Info", 0, 64))
    if tag < 0 or not frame[tag + 7] & 2:
        return False
    length_at = tag + 8 + 4 * (frame[tag + 7] & 1)
    length = int.from_bytes(frame[length_at : length_at + 4], "big")
    return start + length > size + _MP3_SLACK


def _at(file: IO[bytes], position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)


_CHECKS: dict[str, Callable[[IO[bytes], int], bool]] = {
    "webm": _webm,
    "ogg": _ogg,
    "mp4": _mp4,
    "mp3": _mp3,
    "wav": _wav,
}
