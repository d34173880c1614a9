"""The classes for refused requests."""

from app import refusals
from app.errors import Code, Refused

REASONS = [
    value
    for value in vars(refusals).values()
    if isinstance(value, type) and issubclass(value, Refused) and value is not Refused
]


def test_each_reason_says_when_it_happens_and_with_which_status() -> None:
    """Each class documents the case, the status and the message in one place."""
    for reason in REASONS:
        assert reason.__doc__, reason
        assert 400 <= reason.status < 600 and isinstance(reason.code, Code), reason
        assert reason.message[0].isupper() and not reason.message.endswith("."), reason


def test_no_error_message_is_used_twice() -> None:
    """Two refusals with the same code and message would be the same refusal."""
    told = [(reason.code, reason.message) for reason in REASONS if "__init__" not in vars(reason)]

    assert len(told) == len(set(told)) > 20
