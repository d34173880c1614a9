"""Claims a session for one delivery: for the duration of a lease, with a fencing token.

The states are those of docs/decisions/exactly-once.md.
"""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.database.client import Database
from app.database.statements import load_statements
from app.errors import NOT_AGAIN, InvalidState, Permanent
from app.refusals import UnknownSession
from app.sessions.repair import NEVER_PROCESSED

SQL = load_statements(__file__)
# Ends the text of each part of a long recording. A text that ends with it is not a transcript yet, and is never shown.
END_OF_PART = "\x1e"
_MILLISECOND = timedelta(milliseconds=1)


@dataclass
class Claim:
    """A claimed session: what is known of it, which checkpoints it has passed, and the token that fences every effect.

    ``token`` is the row's ``updatedAt`` as this delivery wrote it last. ``parts`` are the texts of those parts of a long
    recording that are transcribed already, as long as ``transcript`` is None.
    """

    session_id: str
    token: datetime
    audio_key: str | None
    audio_deleted: bool
    duration_s: int | None = None
    transcript: str | None = field(default=None, repr=False)
    parts: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        self._claimed_at, self._claimed_since = self.token, time.monotonic()
        self._attempted = self.token

    @property
    def fence(self) -> tuple[datetime, datetime]:
        """The tokens of this claim: the last one known to be written, and the last one sent."""
        return self.token, self._attempted

    def next_token(self) -> datetime:
        """The token that the next write sets: PostgreSQL's time at the claim, advanced by this process's monotonic clock.

        A write whose answer is lost may have taken effect, so from now on the row may carry this token.
        """
        elapsed_ms = int((time.monotonic() - self._claimed_since) * 1000)
        later = max(self.fence) + _MILLISECOND
        self._attempted = max(later, self._claimed_at + elapsed_ms * _MILLISECOND)
        return self._attempted

    def confirm_write(self) -> None:
        """Record that the last write succeeded: its token is the row's."""
        self.token = self._attempted


async def claim(db: Database, session_id: str, *, retried: int, lease_s: int) -> Claim | None:
    """Claim the session for this delivery. None if it is DONE and this is a retry: there is nothing left to do.

    ``retried`` is how often QStash has delivered this message before. Raises UnknownSession, Permanent for a retry of a
    session that has failed for good, InvalidState for one that this delivery may not process, Unavailable.
    """
    rows = await db.write_rows(SQL["claim"], session_id, retried > 0, lease_s, NOT_AGAIN, NEVER_PROCESSED)
    if not rows:
        raise UnknownSession
    row = rows[0]
    if row["token"] is not None:
        return Claim(
            session_id,
            datetime.fromisoformat(row["token"]),
            row["audio_key"],
            row["audio_deleted"],
            row["duration_s"],
            row["transcript"],
            tuple((row["parts"] or "").split(END_OF_PART)[:-1]),
        )
    match row["status"]:
        case "DONE" if retried > 0:
            return None
        case "FAILED" if retried > 0 and row["failed_for_good"]:
            raise Permanent("The session failed for good")
        case "TRANSCRIBING" | "ANALYZING":
            raise InvalidState(retry_after_s=max(1, row["lease_left_s"]))
        case "UPLOADED":  # another delivery claimed it between the check and the update
            raise InvalidState(retry_after_s=lease_s)
        case _:
            raise InvalidState
