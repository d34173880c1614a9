"""What the demo says of a session that fails and is tried again."""

from typing import Any

from app.errors import AGAIN, NOT_AGAIN
from local.patience import Patience, delay_s


def session(status: str, message: str | None = None, at: int = 0) -> dict[str, Any]:
    """What the service answers."""
    return {"status": status, "errorMessage": message, "updatedAt": str(at)}


def test_qstash_waits_as_documented() -> None:
    """12 s, two and a half minutes, half an hour."""
    assert [delay_s(number) for number in (1, 2, 3, 9)] == [12, 148, 1808, 86_400]


def test_a_failure_that_is_tried_again_is_not_the_end() -> None:
    """It says which step failed, when the next attempt comes and which one that is, once for each failure."""
    patience = Patience()
    failed = session("FAILED", f"Whisper did not answer. {AGAIN}")
    said = [patience.see(each) for each in (session("UPLOADED"), session("TRANSCRIBING"), failed, failed)]

    assert said[:2] == [None, None] and said[3] is None
    assert said[2] == (
        "failed while the recording was transcribed: Whisper did not answer. Trying again in about 12 s, attempt 2 of 4"
    )
    assert not patience.is_final(failed)


def test_a_permanent_failure_and_done_are_the_end() -> None:
    """The sentence tells, not the status."""
    patience = Patience()
    final = session("FAILED", f"No speech. {NOT_AGAIN}")

    assert patience.see(final) is None and patience.is_final(final) and patience.is_final(session("DONE"))


def test_after_the_last_attempt_nothing_comes() -> None:
    """QStash has used up its attempts, whatever the sentence hopes for."""
    patience = Patience()
    for number in range(1, 4):
        failed = session("FAILED", f"Claude did not answer. {AGAIN}", at=number)
        assert f"attempt {number + 1} of 4" in str(patience.see(failed)) and not patience.is_final(failed)
    last = session("FAILED", f"Claude did not answer. {AGAIN}", at=4)

    assert patience.see(last) is None
    assert patience.is_final(last)


def test_the_step_that_failed_follows_from_the_transcript() -> None:
    """An attempt may pass both steps between two looks."""
    patience = Patience()
    failed = session("FAILED", f"Claude did not answer. {AGAIN}") | {"transcript": {"text": "I go home."}}

    assert str(patience.see(failed)).startswith("failed while the transcript was analyzed: ")
