"""The file extension of a recording."""

import re

from hypothesis import given
from hypothesis import strategies as st

from app.audio.recording import extension


@given(st.text().map(lambda text: "audio/" + text))
def test_a_key_has_a_plain_extension(content_type: str) -> None:
    """Whatever the content type, the storage key has no extra folder and no character that needs escaping."""
    assert re.fullmatch(r"[a-z0-9+-]([a-z0-9.+-]*[a-z0-9+-])?", extension(content_type))


def test_the_types_of_browsers() -> None:
    """Types from Chrome, Safari and files, and an empty one."""
    types = {
        "audio/webm;codecs=opus": "webm",
        "audio/mp4": "mp4",
        "AUDIO/MPEG": "mpeg",
        "audio/x-m4a": "x-m4a",
        "audio/": "webm",
    }

    assert {kind: extension(kind) for kind in types} == types
