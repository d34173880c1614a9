"""The names that a recording goes by."""

import re

from hypothesis import given
from hypothesis import strategies as st

from app.recordings.recording import extension


@given(st.text().map(lambda text: "audio/" + text))
def test_a_key_ends_in_a_plain_word(content_type: str) -> None:
    """Whatever the type, the storage key has no second folder and no character that would be escaped."""
    assert re.fullmatch(r"[a-z0-9+-]([a-z0-9.+-]*[a-z0-9+-])?", extension(content_type))


def test_the_types_of_browsers() -> None:
    """Chrome, Safari, a file from disk, and none."""
    types = {
        "audio/webm;codecs=opus": "webm",
        "audio/mp4": "mp4",
        "AUDIO/MPEG": "mpeg",
        "audio/x-m4a": "x-m4a",
        "audio/": "webm",
    }

    assert {kind: extension(kind) for kind in types} == types
