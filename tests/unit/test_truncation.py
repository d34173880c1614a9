"""Whether a file ends in the middle, from hostile bytes."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.recordings.truncation import is_cut_off

CONTAINERS = ["webm", "ogg", "mp4", "mp3", "wav"]
STARTS = [
    b"",
    b"\x1aE\xdf\xa3",
    b"OggS",
    b"RIFF",
    b"ID3",
    b"\0\0\0\x20ftyp",
    b"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff",
]


@pytest.mark.parametrize("container", CONTAINERS)
@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=400))
def test_any_bytes_have_an_answer(container: str, start: bytes, rest: bytes) -> None:
    """Garbage neither raises nor goes round for ever."""
    data = start + rest

    assert is_cut_off(io.BytesIO(data), container, len(data)) in (True, False)


def test_what_declares_nothing_is_not_called_cut_off() -> None:
    """A container that is not known here, and streams whose writer left the length open."""
    endless_wav = b"RIFF\xff\xff\xff\xffWAVE" + b"\0" * 100
    endless_webm = b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff\xec\x81\0"

    assert not is_cut_off(io.BytesIO(b"fLaC"), "flac", 4)
    assert not is_cut_off(io.BytesIO(endless_wav), "wav", len(endless_wav))
    assert not is_cut_off(io.BytesIO(endless_webm), "webm", len(endless_webm))
    assert is_cut_off(io.BytesIO(endless_webm[:-1]), "webm", len(endless_webm) - 1)
