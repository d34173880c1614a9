"""The session cookie: found among others, joined from chunks, current or not."""

from hypothesis import given
from hypothesis import strategies as st

from app.adapters.authjs import AuthJs, is_current, session_token

NAME = "authjs.session-token"
VALUES = st.text(st.characters(codec="ascii", exclude_characters="; ", categories=("L", "N", "P", "S")))


@given(VALUES, st.lists(st.tuples(st.sampled_from(["theme", "authjs.csrf-token", "x"]), VALUES)))
def test_it_is_found_among_others(token: str, others: list[tuple[str, str]]) -> None:
    """Whatever else the browser sends."""
    pairs = [f"{name}={value}" for name, value in others]

    assert session_token(["; ".join([*pairs, f"{NAME}={token}"])], NAME) == token
    assert session_token(["; ".join(pairs), f"{NAME}={token}"], NAME) == token


@given(
    st.lists(VALUES.filter(bool), min_size=1, max_size=30).flatmap(
        lambda chunks: st.permutations(list(enumerate(chunks)))
    )
)
def test_chunks_are_joined_by_number(chunks: list[tuple[int, str]]) -> None:
    """Not in the order of arrival, nor of text: 10 comes after 9."""
    header = ";".join(f"{NAME}.{number}={value}" for number, value in chunks)

    assert session_token([header], NAME) == "".join(value for _, value in sorted(chunks))


@given(st.text())
def test_no_header_opens_the_door_or_raises(header: str) -> None:
    """Garbage is nobody."""
    assert AuthJs("secret", "http://a.example").learner([header, f"{NAME}={header}"]) is None


def test_a_value_is_not_unquoted() -> None:
    """Quotes and backslashes are no part of a token, so they are left for decryption to refuse."""
    assert session_token([f'{NAME}="a\\073b"'], NAME) == '"a\\073b"'
    assert session_token([f"{NAME}x=1; {NAME}.=2; {NAME}.1000=3; x{NAME}=4; {NAME}"], NAME) == ""


def test_a_cookie_without_an_end_is_not_current() -> None:
    """``exp`` must be there and ahead; ``nbf`` may be absent; fifteen seconds are forgiven."""
    assert is_current({"exp": 100}, 99) and is_current({"exp": 100}, 114) and is_current({"exp": 100, "nbf": 50}, 40)
    for claims in ({}, {"exp": None}, {"exp": "200"}, {"exp": 84}, {"exp": float("nan")}, {"exp": 200, "nbf": 120}):
        assert not is_current(claims, 100), claims
