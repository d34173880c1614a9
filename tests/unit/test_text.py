"""Text is made storable by one function."""

from hypothesis import given
from hypothesis import strategies as st

from app.text import storable


@given(st.text(st.characters(codec=None)))
def test_anything_can_be_stored(text: str) -> None:
    """The result is always valid UTF-8 without characters that a lower layer would lose or change."""
    stored = storable(text)

    assert stored.encode().decode() == stored == storable(stored)
    assert not set(stored) & set("\x00\x1e\x85\u2028\u2029")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00\x1e\x85\u2028\u2029")))
def test_ordinary_text_is_unchanged(text: str) -> None:
    """Text that every layer supports is returned unchanged."""
    assert storable(text) == text
