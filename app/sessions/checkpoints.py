"""The checkpoints of a delivery: transcript, audio deleted, results; or its failure.

Each function is one transaction that names the claim's token: once the claim is lost, it changes nothing. The states are those of
docs/decisions/exactly-once.md.
"""

import json
from typing import LiteralString

from app.analysis.patterns import tally
from app.analysis.shape import Analysis
from app.clock import as_timestamp
from app.database.client import Database
from app.database.ids import new_cuid
from app.database.statements import load_statements
from app.errors import InvalidState, SessionGone
from app.sessions.claim import Claim
from app.sessions.status import ANALYZING, FAILED, TRANSCRIBING

SQL = load_statements(__file__)


async def save_transcript(db: Database, claim: Claim, text: str, word_count: int) -> None:
    """Store the transcript and move to ANALYZING. Raises SessionGone, InvalidState if the claim is lost, Unavailable."""
    await _change(db, SQL["save_transcript"], claim, new_cuid(), text, word_count)


async def save_part(db: Database, claim: Claim, text: str, number: int) -> None:
    """Store the text of a long recording's part, counted from 1, and renew the lease. Raises as ``save_transcript``."""
    await _change(db, SQL["save_part"], claim, new_cuid(), text, number)


async def mark_audio_deleted(db: Database, claim: Claim) -> None:
    """Record when the recording was deleted. Raises as ``save_transcript``."""
    fence, now = [*claim.fence], claim.next_token()
    updated = await db.write(
        lambda client: client.speakingsession.update_many(
            where={"id": claim.session_id, "status": ANALYZING, "updatedAt": {"in": fence}},
            data={"audioDeletedAt": now, "updatedAt": now},
        )
    )
    if not updated:
        raise await _claim_lost(db, claim)
    claim.confirm_write()


async def save_results(db: Database, claim: Claim, analysis: Analysis) -> None:
    """Store insights and focus, add to the profile and set DONE, all exactly once. Raises as ``save_transcript``."""
    insights = json.dumps([{"id": new_cuid(), **insight.model_dump()} for insight in analysis.insights])
    patterns = json.dumps(tally(analysis.insights))
    await _change(db, SQL["save_results"], claim, analysis.focus_next, insights, new_cuid(), patterns)


async def fail(db: Database, claim: Claim, sentence: str) -> None:
    """Set FAILED with a sentence that is safe to show. Raises as ``save_transcript``, in which case nothing has changed."""
    fence, now = [*claim.fence], claim.next_token()
    updated = await db.write(
        lambda client: client.speakingsession.update_many(
            where={
                "id": claim.session_id,
                "OR": [{"status": TRANSCRIBING}, {"status": ANALYZING}],
                "updatedAt": {"in": fence},
            },
            data={"status": FAILED, "errorMessage": sentence, "updatedAt": now},
        )
    )
    if not updated:
        raise await _claim_lost(db, claim)


async def _change(db: Database, statement: LiteralString, claim: Claim, *parameters: str | int) -> None:
    fence, now = claim.fence, claim.next_token()
    tokens = (as_timestamp(token) for token in (*fence, now))
    [outcome] = await db.write_rows(statement, claim.session_id, *tokens, *parameters)
    if not outcome["exists"]:
        raise SessionGone
    if not outcome["changed"]:
        raise InvalidState
    claim.confirm_write()


async def _claim_lost(db: Database, claim: Claim) -> InvalidState | SessionGone:
    rows = await db.read(lambda client: client.speakingsession.count(where={"id": claim.session_id}))
    return InvalidState() if rows else SessionGone()
