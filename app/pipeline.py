"""The pipeline: what happens to a session between a verified delivery and DONE, top to bottom.

The numbers are those of the fifteen steps in the original specification; 1 (verify) and 2 (parse) are in web/signed.py.
"""

import asyncio
import time

import structlog

from app import telemetry
from app.analysis.words import count_words
from app.clock import deadline
from app.errors import AppError, InvalidState, Misconfigured, Permanent, SessionGone, StepFailed, Transient, Unavailable
from app.recordings.transcription import transcribe
from app.services import Services
from app.sessions import checkpoints
from app.sessions.claim import Claim, claim

log = structlog.get_logger()


async def process_session(session_id: str, retried: int, services: Services) -> None:
    """Bring a session to DONE within the time limit of the settings, resuming after its last checkpoint.

    ``retried`` is how often this message was delivered before. However many calls run concurrently or are interrupted, the
    result is one transcript, one set of insights, the profile updated once and the audio deleted. Raises UnknownSession,
    InvalidState if another delivery holds or has taken over the session, Unavailable, or StepFailed after the session was set
    to FAILED.
    """
    lease_s, timeout_s = services.settings.processing_lease_seconds, services.settings.processing_timeout_seconds
    # 3 fetch the session, 4 guard its status, 6 mark TRANSCRIBING: one conditional update
    with telemetry.active.step("claim"):
        claimed = await claim(services.database, session_id, retried=retried, lease_s=lease_s)
    if claimed is None:
        return
    deadline.set(time.monotonic() + timeout_s)
    try:
        async with asyncio.timeout(timeout_s):
            try:
                await run_steps(claimed, services)
            except SessionGone:
                await delete_audio(claimed, services)
    except InvalidState:
        log.warning("claim_lost")
        raise
    except Exception as error:
        raise await record_failure(claimed, error, services) from None


async def run_steps(claimed: Claim, services: Services) -> None:
    """Those of the steps 5 to 15 that are not done yet. Every write names the claim's token, so a lost claim changes nothing."""
    db, text, step = services.database, claimed.transcript, telemetry.active.step
    if text is None:
        # 5 download the audio, 7 transcribe it
        with step("transcribe"):
            text = await transcribe(claimed, services)
        # 8 store the transcript, 10 mark ANALYZING
        with step("save_transcript"):
            await checkpoints.save_transcript(db, claimed, text, count_words(text))
    if claimed.audio_key and not claimed.audio_deleted:
        # 9 delete the audio: the transcript is stored, so no delivery needs it, not even one that has taken over the session
        with step("delete_audio"):
            await services.storage.delete(claimed.audio_key)
            await checkpoints.mark_audio_deleted(db, claimed)
    if not count_words(text):
        raise Permanent("No speech was detected in the recording")
    # 11 analyze the transcript
    with step("analyze"):
        analysis, usage = await services.claude.analyze(text)
    log.info("session_analyzed", insights=len(analysis.insights), **usage.logged)
    # 12 store insights, 13 store focusNext, 14 update the profile, 15 mark DONE: one transaction
    with step("save_results"):
        await checkpoints.save_results(db, claimed, analysis)
    telemetry.active.measure("speaking_coach.sessions", 1, {"outcome": "done"})


async def delete_audio(claimed: Claim, services: Services) -> None:
    """Delete the recording of a session that its owner deleted while it was being processed. Raises Unavailable."""
    log.info("session_gone")
    telemetry.active.measure("speaking_coach.sessions", 1, {"outcome": "deleted"})
    if claimed.audio_key:
        await services.storage.delete(claimed.audio_key)


async def record_failure(claimed: Claim, error: Exception, services: Services) -> AppError:
    """Set the session to FAILED with a safe sentence, and return the error to answer with: InvalidState if the claim is lost.

    If the database is down, the original failure is still the answer. The row keeps its lease; a retry claims it
    once that has expired.
    """
    failure = _as_failure(error)
    setting = failure.setting if isinstance(failure, Misconfigured) else None
    try:
        await checkpoints.fail(services.database, claimed, failure.sentence)
    except (InvalidState, SessionGone):
        log.warning("claim_lost", error=type(error).__name__)
        return InvalidState()
    except Unavailable:
        log.warning("failure_not_recorded")
    outcome = {
        "outcome": "retrying" if failure.status == 500 else "failed",
        "reason": failure.message,
        "error.type": type(failure).__name__,
    }
    telemetry.active.measure("speaking_coach.sessions", 1, outcome)
    log.warning(
        "session_failed",
        error=type(error).__name__,
        reason=failure.message,
        retryable=failure.status == 500,
        setting=setting,
    )
    return failure


def _as_failure(error: Exception) -> StepFailed:
    if isinstance(error, StepFailed):
        return error
    if isinstance(error, TimeoutError):
        return Transient("Processing took too long")
    if isinstance(error, AppError):
        return Transient(error.message)
    # A bug. Its message may contain private text, so it is neither stored nor logged.
    return Transient("Something went wrong while processing the recording")
