"""What to tell of a session that is FAILED for now: QStash tries again, and how long to wait for that."""

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
    """How long QStash waits after attempt number ``attempt``, unless a provider asked for more.

    https://upstash.com/docs/qstash/features/retry
    """
    return min(86_400, round(math.exp(2.5 * attempt)))


class Patience:
    """Follows a session's statuses and counts its attempts."""

    def __init__(self) -> None:
        self.failures, self.step, self._seen = 0, "UPLOADED", ""

    def see(self, session: dict[str, Any]) -> str | None:
        """A sentence when the session has just failed and will be tried again."""
        status = session["status"]
        if status in STEPS:
            self.step = status
        elif status == "FAILED":
            # Both may begin and fail between two looks. The transcript is stored before the analysis begins.
            self.step = "ANALYZING" if session.get("transcript") else "TRANSCRIBING"
        # An attempt may begin and fail between two looks: that changes the row's time, not its status.
        if status != "FAILED" or session["updatedAt"] == self._seen:
            return None
        self._seen = session["updatedAt"]
        self.failures += 1
        if self.is_final(session):
            return None
        why = session["errorMessage"].removesuffix(AGAIN).strip()
        when = f"Trying again in about {spoken(delay_s(self.failures))}, attempt {self.failures + 1} of {ATTEMPTS}"
        return f"failed {STEPS[self.step]}: {why} {when}"

    def is_final(self, session: dict[str, Any]) -> bool:
        """Whether nothing will happen by itself any more: the service says so in its sentence, and QStash counts attempts."""
        if session["status"] != "FAILED":
            return session["status"] == "DONE"
        return self.failures >= ATTEMPTS or not str(session["errorMessage"] or "").endswith(AGAIN)

    @property
    def longest_s(self) -> int:
        """How long all attempts may take with the waits between them, each as long as the service lets it work."""
        return sum(delay_s(number) for number in range(1, ATTEMPTS)) + ATTEMPTS * 330


def spoken(seconds: int) -> str:
    """``12 s``, ``2 min``."""
    return f"{seconds} s" if seconds < 120 else f"{round(seconds / 60)} min"
