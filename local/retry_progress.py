"""Follows a session that fails and is retried: which step failed, and when QStash tries again."""

import math
from typing import Any

from app.adapters.qstash.queue import RETRIES
from app.errors import AGAIN

ATTEMPTS = 1 + RETRIES
STEPS = {
    "UPLOADED": "before it began",
    "TRANSCRIBING": "while the recording was transcribed",
    "ANALYZING": "while the transcript was analyzed",
}


def delay_s(attempt: int) -> int:
    """Return how long QStash waits after attempt number ``attempt``, unless a provider asks for a longer wait.

    https://upstash.com/docs/qstash/features/retry
    """
    return min(86_400, round(math.exp(2.5 * attempt)))


class RetryProgress:
    """Follows a session's status and counts its failed attempts."""

    def __init__(self) -> None:
        self.failures, self.step, self._seen = 0, "UPLOADED", ""

    def update(self, session: dict[str, Any]) -> str | None:
        """Return a sentence if the session has just failed and will be tried again, otherwise None."""
        status = session["status"]
        if status in STEPS:
            self.step = status
        elif status == "FAILED":
            # Polling may have missed the step, but the transcript is stored before the analysis begins.
            self.step = "ANALYZING" if session.get("transcript") else "TRANSCRIBING"
        # An attempt may begin and fail between two polls. This changes updatedAt, but not the status.
        if status != "FAILED" or session["updatedAt"] == self._seen:
            return None
        self._seen = session["updatedAt"]
        self.failures += 1
        if self.is_final(session):
            return None
        why = session["errorMessage"].removesuffix(AGAIN).strip()
        delay = format_seconds(delay_s(self.failures))
        when = f"Trying again in about {delay}, attempt {self.failures + 1} of {ATTEMPTS}"
        return f"failed {STEPS[self.step]}: {why} {when}"

    def is_final(self, session: dict[str, Any]) -> bool:
        """Whether the session will not change any more: it is DONE, or FAILED with no attempt to come."""
        if session["status"] != "FAILED":
            return session["status"] == "DONE"
        return self.failures >= ATTEMPTS or not str(session["errorMessage"] or "").endswith(AGAIN)

    @property
    def max_wait_s(self) -> int:
        """The longest time that all attempts and the waits between them can take, in seconds."""
        return sum(delay_s(number) for number in range(1, ATTEMPTS)) + ATTEMPTS * 330


def format_seconds(seconds: int) -> str:
    """Format 12 as ``12 s`` and 148 as ``2 min``."""
    return f"{seconds} s" if seconds < 120 else f"{round(seconds / 60)} min"
