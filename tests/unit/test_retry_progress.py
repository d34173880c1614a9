"""The demo's messages about a session that fails and is retried."""

from typing import Any

from app.errors import AGAIN, NOT_AGAIN
from local.retry_progress import RetryProgress, delay_s


def session(status: str, message: str | None = None, at: int = 0) -> dict[str, Any]:
    """A session as returned by the service."""
    return {"status": status, "errorMessage": message, "updatedAt": str(at)}


def test_qstash_waits_as_documented() -> None:
    """12 s, two and a half minutes, half an hour, and at most a day."""
    assert [delay_s(number) for number in (1, 2, 3, 9)] == [12, 148, 1808, 86_400]


def test_a_failure_that_is_tried_again_is_not_the_end() -> None:
    """The message names the failed step, the time and the number of the next attempt, once per failure."""
    progress = RetryProgress()
    failed = session("FAILED", f"Whisper did not answer. {AGAIN}")
    said = [progress.update(each) for each in (session("UPLOADED"), session("TRANSCRIBING"), failed, failed)]

    assert said[:2] == [None, None] and said[3] is None
    assert said[2] == (
        "failed while the recording was transcribed: Whisper did not answer. Trying again in about 12 s, attempt 2 of 4"
    )
    assert not progress.is_final(failed)


def test_a_permanent_failure_and_done_are_the_end() -> None:
    """The error message decides, not the status."""
    progress = RetryProgress()
    final = session("FAILED", f"No speech. {NOT_AGAIN}")

    assert progress.update(final) is None and progress.is_final(final) and progress.is_final(session("DONE"))


def test_after_the_last_attempt_nothing_comes() -> None:
    """QStash has exhausted its attempts, even if the message promises a retry."""
    progress = RetryProgress()
    for number in range(1, 4):
        failed = session("FAILED", f"Claude did not answer. {AGAIN}", at=number)
        assert f"attempt {number + 1} of 4" in str(progress.update(failed)) and not progress.is_final(failed)
    last = session("FAILED", f"Claude did not answer. {AGAIN}", at=4)

    assert progress.update(last) is None
    assert progress.is_final(last)


def test_the_step_that_failed_follows_from_the_transcript() -> None:
    """An attempt may complete a step between two polls, so the transcript shows which step failed."""
    progress = RetryProgress()
    failed = session("FAILED", f"Claude did not answer. {AGAIN}") | {"transcript": {"text": "I go home."}}

    assert str(progress.update(failed)).startswith("failed while the transcript was analyzed: ")
