"""Hostile recordings: decompression bombs, and files that consist of nothing but overhead."""

import struct
import zlib

from tests.support.recordings import recording

# Just over Whisper's file size limit, so that they must be cut.
SIZE_BYTES = 26 * 1024 * 1024
MIB = 1024 * 1024


def one_byte_packets() -> bytes:
    """WebM with a packet every seven bytes: over three million, all at the same time stamp."""
    head = recording("webm", 1)
    head = head[: head.index(b"\x1fC\xb6u")]
    # A cluster of unknown size (RFC 9559, section 5.1.3) at time 0, then key frame blocks of track 1 at time 0.
    cluster = b"\x1fC\xb6u\x01\xff\xff\xff\xff\xff\xff\xff" + b"\xe7\x81\x00"
    block = b"\xa3\x85\x81\x00\x00\x80\xf8"
    return head + cluster + block * ((SIZE_BYTES - len(head)) // len(block))


def box(name: bytes, *content: bytes) -> bytes:
    """A box of an MP4 file (ISO/IEC 14496-12, section 4.2)."""
    inside = b"".join(content)
    return struct.pack(">I", 8 + len(inside)) + name + inside


def compressed_header(unpacked_bytes: int = 2000 * MIB) -> bytes:
    """MP4 with a compressed header (QuickTime's ``cmov``) that expands to two gigabytes."""
    packer = zlib.compressobj(9)
    # A valid beginning of a header, followed by empty space.
    start = struct.pack(">I", unpacked_bytes) + b"moov" + struct.pack(">I", unpacked_bytes - 8) + b"free"
    zeros = bytes(MIB)
    packed = packer.compress(start) + b"".join(packer.compress(zeros) for _ in range(unpacked_bytes // MIB - 1))
    packed += packer.compress(bytes(MIB - len(start))) + packer.flush()
    data = struct.pack(">I", unpacked_bytes) + packed
    header = box(b"moov", box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", data)))
    return box(b"ftyp", b"mp42\0\0\0\0mp42isom") + header + box(b"mdat", bytes(SIZE_BYTES))


def many_samples() -> bytes:
    """MP4 with an index of six million one-byte samples that do not exist."""
    whole = recording("m4a", 1)
    at = whole.index(b"stsz") - 4
    length = int.from_bytes(whole[at : at + 4], "big")
    count = SIZE_BYTES // 4
    table = box(b"stsz", bytes(8), struct.pack(">I", count), b"\0\0\0\1" * count)
    data = bytearray(whole[:at] + table + whole[at + length :])
    # Enlarge every enclosing box.
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        start = data.index(name) - 4
        size = int.from_bytes(data[start : start + 4], "big") + len(table) - length
        data[start : start + 4] = struct.pack(">I", size)
    return bytes(data)


def empty_pages() -> bytes:
    """Ogg: a valid beginning, then a million empty pages."""
    head = recording("ogg", 1)[:4096]
    serial = head[14:18]
    page = b"OggS\0\0" + bytes(8) + serial + bytes(4) + bytes(4) + b"\0"
    return head + page * (SIZE_BYTES // len(page))


def empty_boxes() -> bytes:
    """MP4: three million empty boxes before anything else."""
    return box(b"ftyp", b"mp42\0\0\0\0mp42isom") + box(b"free") * (SIZE_BYTES // 8)


def nested_boxes() -> bytes:
    """MP4: 100,000 nested headers."""
    count = 100_000
    nested = b"".join(struct.pack(">I", SIZE_BYTES - 8 * depth) + b"moov" for depth in range(count))
    return box(b"ftyp", b"mp42\0\0\0\0mp42isom") + nested + bytes(SIZE_BYTES - len(nested))


def tags() -> bytes:
    """MP3: only empty ID3 tags."""
    return b"ID3\4\0\0\0\0\0\0" * (SIZE_BYTES // 10)


def looping_index() -> bytes:
    """WebM with an index whose entries all point back to the index itself."""
    seek = b"\x4d\xbb" + b"\x8b" + b"\x53\xab\x84\x11\x4d\x9b\x74" + b"\x53\xac\x81\x00"
    seeks = seek * (SIZE_BYTES // len(seek))
    head = recording("webm", 1)
    head = head[: head.index(b"\x18S\x80g")]
    return (
        head
        + b"\x18S\x80g\x01\xff\xff\xff\xff\xff\xff\xff"
        + b"\x11\x4d\x9b\x74"
        + struct.pack(">Q", 1 << 56 | len(seeks))
        + seeks
    )


def garbage() -> bytes:
    """Meaningless bytes after the magic number of WebM."""
    return b"\x1aE\xdf\xa3" + bytes(range(256)) * (SIZE_BYTES // 256)


HOSTILE = {
    "one-byte packets": one_byte_packets,
    "compressed header": compressed_header,
    "many samples": many_samples,
    "empty pages": empty_pages,
    "empty boxes": empty_boxes,
    "nested boxes": nested_boxes,
    "tags": tags,
    "looping index": looping_index,
    "garbage": garbage,
}
