"""What a delivery takes before it works: the session, for the length of a lease, under a token that nobody else has.

The states are those of docs/decisions/exactly-once.md.
"""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import TypeAdapter

from app.database.client import Database
from app.database.statements import load_statements
from app.errors import InvalidState
from app.refusals import UnknownSession

SQL = load_statements(Path(__file__).with_name("claim.sql"))
# Ends the text of each part of a long recording. A row whose text ends so is no transcript yet, and is shown to nobody.
END_OF_PART = "\x1e"
_MILLISECOND = timedelta(milliseconds=1)


@dataclass
class Claim:
    """A claimed session: what is known of it, which checkpoints it has passed, and the token that fences every effect.

    ``token`` is the row's ``updatedAt`` as this delivery wrote it last. ``parts`` are the texts of a long recording's first
    parts, while ``transcript`` is not there yet.
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
        """The tokens that are ours: the last one known to be written, and one written without an answer, if any."""
        return self.token, self._attempted

    def next_token(self) -> datetime:
        """The token that the next write sets: PostgreSQL's time at the claim, carried on by this process's monotonic clock.

        A write whose answer is lost may have set it, so from now on it counts as ours.
        """
        elapsed_ms = int((time.monotonic() - self._claimed_since) * 1000)
        later = max(self.fence) + _MILLISECOND
        self._attempted = max(later, self._claimed_at + elapsed_ms * _MILLISECOND)
        return self._attempted

    def written(self) -> None:
        """The last write succeeded: its token is the only one now."""
        self.token = self._attempted


@dataclass(frozen=True)
class _Row:
    status: str
    audio_key: str | None
    audio_deleted: bool
    duration_s: int | None
    transcript: str | None
    parts: str | None
    token: datetime | None
    lease_left_s: int


_ROWS = TypeAdapter(list[_Row])


async def claim(db: Database, session_id: str, *, retried: int, lease_s: int) -> Claim | None:
    """Take the session for this delivery, or None if it is DONE and this is a retry: nothing is left to do.

    ``retried`` is how often QStash has delivered this message before. Raises UnknownSession,
    InvalidState for one that this delivery may not take, Unavailable.
    """
    rows = _ROWS.validate_python(await db.write_rows(SQL["claim"], session_id, retried > 0, lease_s))
    if not rows:
        raise UnknownSession
    row = rows[0]
    if row.token is not None:
        parts = tuple((row.parts or "").split(END_OF_PART)[:-1])
        return Claim(session_id, row.token, row.audio_key, row.audio_deleted, row.duration_s, row.transcript, parts)
    match row.status:
        case "DONE" if retried > 0:
            return None
        case "TRANSCRIBING" | "ANALYZING":
            raise InvalidState(retry_after_s=max(1, row.lease_left_s))
        case "UPLOADED":  # another delivery claimed it between our look and our update
            raise InvalidState(retry_after_s=lease_s)
        case _:
            raise InvalidState
