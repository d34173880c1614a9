"""Recordings made to hurt whoever opens them: bombs, and files of nothing but overhead."""

import struct
import zlib

from tests.support.recordings import recording

# Just over what Whisper takes in one file, so that they must be cut.
SIZE_BYTES = 26 * 1024 * 1024
MIB = 1024 * 1024


def one_byte_packets() -> bytes:
    """WebM with a packet in every seven bytes: over three million, all at one moment."""
    head = recording("webm", 1)
    head = head[: head.index(b"\x1fC\xb6u")]
    # An open-ended cluster (RFC 9559, section 5.1.3) at time 0, then blocks of track 1 at time 0, each a key frame.
    cluster = b"\x1fC\xb6u\x01\xff\xff\xff\xff\xff\xff\xff" + b"\xe7\x81\x00"
    block = b"\xa3\x85\x81\x00\x00\x80\xf8"
    return head + cluster + block * ((SIZE_BYTES - len(head)) // len(block))


def box(name: bytes, *content: bytes) -> bytes:
    """A box of an MP4 file (ISO/IEC 14496-12, section 4.2)."""
    inside = b"".join(content)
    return struct.pack(">I", 8 + len(inside)) + name + inside


def compressed_header(unpacked_bytes: int = 2000 * MIB) -> bytes:
    """MP4 whose header is compressed (QuickTime's ``cmov``) and two gigabytes large once it is not."""
    packer = zlib.compressobj(9)
    # A header that begins as one, followed by empty space.
    start = struct.pack(">I", unpacked_bytes) + b"moov" + struct.pack(">I", unpacked_bytes - 8) + b"free"
    zeros = bytes(MIB)
    packed = packer.compress(start) + b"".join(packer.compress(zeros) for _ in range(unpacked_bytes // MIB - 1))
    packed += packer.compress(bytes(MIB - len(start))) + packer.flush()
    data = struct.pack(">I", unpacked_bytes) + packed
    header = box(b"moov", box(b"cmov", box(b"dcom", b"zlib"), box(b"cmvd", data)))
    return box(b"ftyp", b"mp42\0\0\0\0mp42isom") + header + box(b"mdat", bytes(SIZE_BYTES))


def many_samples() -> bytes:
    """MP4 with an index of six million samples of one byte, none of which is there."""
    whole = recording("m4a", 1)
    at = whole.index(b"stsz") - 4
    length = int.from_bytes(whole[at : at + 4], "big")
    count = SIZE_BYTES // 4
    table = box(b"stsz", bytes(8), struct.pack(">I", count), b"\0\0\0\1" * count)
    data = bytearray(whole[:at] + table + whole[at + length :])
    # Each box around it grows with it.
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        start = data.index(name) - 4
        size = int.from_bytes(data[start : start + 4], "big") + len(table) - length
        data[start : start + 4] = struct.pack(">I", size)
    return bytes(data)


def empty_pages() -> bytes:
    """Ogg: a beginning, then a million pages without content."""
    head = recording("ogg", 1)[:4096]
    serial = head[14:18]
    page = b"OggS\0\0" + bytes(8) + serial + bytes(4) + bytes(4) + b"\0"
    return head + page * (SIZE_BYTES // len(page))


def empty_boxes() -> bytes:
    """MP4: three million boxes without content before anything else."""
    return box(b"ftyp", b"mp42\0\0\0\0mp42isom") + box(b"free") * (SIZE_BYTES // 8)


def nested_boxes() -> bytes:
    """MP4: headers within headers, as deep as the file is long."""
    count = 100_000
    nested = b"".join(struct.pack(">I", SIZE_BYTES - 8 * depth) + b"moov" for depth in range(count))
    return box(b"ftyp", b"mp42\0\0\0\0mp42isom") + nested + bytes(SIZE_BYTES - len(nested))


def tags() -> bytes:
    """MP3: nothing but empty ID3 tags."""
    return b"ID3\4\0\0\0\0\0\0" * (SIZE_BYTES // 10)


def looping_index() -> bytes:
    """WebM whose index of elements points back at itself, a hundred thousand times."""
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
    """Bytes that begin as WebM does, and mean nothing."""
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
