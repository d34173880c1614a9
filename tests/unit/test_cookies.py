"""The session cookie: finding it among others, joining chunks, and checking its expiry."""

import time

from hypothesis import given
from hypothesis import strategies as st

from app.adapters.authjs import AuthJs, session_token
from local.token import session_cookie

NAME = "authjs.session-token"
VALUES = st.text(st.characters(codec="ascii", exclude_characters="; ", categories=("L", "N", "P", "S")))


@given(VALUES, st.lists(st.tuples(st.sampled_from(["theme", "authjs.csrf-token", "x"]), VALUES)))
def test_the_session_cookie_is_found_among_others(token: str, others: list[tuple[str, str]]) -> None:
    """Whatever other cookies the browser sends."""
    pairs = [f"{name}={value}" for name, value in others]

    assert session_token(["; ".join([*pairs, f"{NAME}={token}"])], NAME) == token
    assert session_token(["; ".join(pairs), f"{NAME}={token}"], NAME) == token


@given(
    st.lists(VALUES.filter(bool), min_size=1, max_size=30).flatmap(
        lambda chunks: st.permutations(list(enumerate(chunks)))
    )
)
def test_chunks_are_joined_by_number(chunks: list[tuple[int, str]]) -> None:
    """By numeric order, not by order of arrival or as text: 10 comes after 9."""
    header = ";".join(f"{NAME}.{number}={value}" for number, value in chunks)

    assert session_token([header], NAME) == "".join(value for _, value in sorted(chunks))


@given(st.text())
def test_malformed_cookie_is_nobody(header: str) -> None:
    """An invalid cookie never raises an exception, and never identifies a learner."""
    assert AuthJs("secret", "http://a.example").learner([header, f"{NAME}={header}"]) is None


def test_a_value_is_not_unquoted() -> None:
    """Quotes and backslashes never occur in a token, so they are kept and decryption fails."""
    assert session_token([f'{NAME}="a\\073b"'], NAME) == '"a\\073b"'
    assert session_token([f"{NAME}x=1; {NAME}.=2; {NAME}.1000=3; x{NAME}=4; {NAME}"], NAME) == ""


def test_a_cookie_without_expiry_is_not_accepted() -> None:
    """``exp`` is required and must be in the future; ``nbf`` is optional. The tolerance is fifteen seconds."""
    site = "http://a.example"

    def is_current(**claims: object) -> bool:
        return AuthJs("secret", site).learner([session_cookie("secret", site, "ada", **claims)]) is not None

    now = int(time.time())
    for claims in ({"exp": now + 60}, {"exp": now - 10}, {"exp": now + 60, "nbf": now + 10}, {"iat": now + 3600}):
        assert is_current(**claims), claims
    for exp in (None, "2000000000", now - 20, float("nan"), True, [now + 60]):
        assert not is_current(exp=exp), exp
    for nbf in (now + 60, "0", None):
        assert not is_current(nbf=nbf), nbf
