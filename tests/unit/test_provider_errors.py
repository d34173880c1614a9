"""Error responses of model providers."""

from hypothesis import given
from hypothesis import strategies as st

from app.adapters.models import provider_error

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=5)
ERROR = st.dictionaries(st.sampled_from(["code", "type", "param", "message", "error"]), JSON)


@given(st.integers(400, 599), ERROR | st.dictionaries(st.just("error"), ERROR) | JSON, st.text(), st.text())
def test_no_body_and_no_header_raises(status: int, body: object, retry_after: str, count: str) -> None:
    """Whatever a provider, or a proxy in front of it, answers: the failure keeps its own name."""
    found = provider_error(status, body, {"retry-after": retry_after}, {"x-stainless-retry-count": count})

    assert found.status == status and found.attempts >= 1


def test_attempts_are_counted_from_the_sdks_header() -> None:
    """The SDK sends the number of retries so far. An operator may have replaced the header, even by nothing."""
    counts = {"0": 1, "2": 3, "": 1, "x": 1, "-1": 1, "²": 1}

    assert {
        text: provider_error(500, None, {}, {"x-stainless-retry-count": text}).attempts for text in counts
    } == counts
    assert provider_error(500, None, {}, {}).attempts == 1
