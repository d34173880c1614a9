"""The pipeline: what happens to a session between a verified delivery and DONE, top to bottom.

The numbers are the fifteen steps of the packet this service was built from; 1 (verify) and 2 (parse) are in web/process.py.
"""

import structlog

from app.analysis.words import count_words
from app.errors import AppError, InvalidState, Permanent, SessionGone, StepFailed, Transient, Unavailable
from app.recordings.transcription import transcribe
from app.services import Services
from app.sessions import checkpoints
from app.sessions.claim import Work, claim

log = structlog.get_logger()


async def process_session(session_id: str, retried: int, services: Services) -> None:
    """Bring a session to DONE, going on after its last checkpoint.

    ``retried`` is how often this message was delivered before. Any number of calls, at once or cut off anywhere, end in one
    transcript, one set of insights, the profile counted once and the audio gone. Raises UnknownSession,
    InvalidState, Unavailable, or StepFailed after the session was set to FAILED.
    """
    db = services.database
    # 3 fetch the session, 4 guard its status, 6 mark TRANSCRIBING: one conditional update
    work = await claim(db, session_id, retried=retried, lease_s=services.lease_s)
    if work is None:
        return
    try:
        text = work.transcript
        if text is None:
            # 5 download the audio, 7 transcribe it
            text = await transcribe(work, services)
            # 8 store the transcript, 10 mark ANALYZING
            await checkpoints.save_transcript(db, session_id, text, count_words(text))
        if work.audio_key and not work.audio_deleted:
            # 9 delete the audio
            await services.storage.delete(work.audio_key)
            await checkpoints.mark_audio_deleted(db, session_id)
        require_speech(text)
        # 11 analyze the transcript
        analysis = await services.claude.analyze(text)
        # 12 store insights, 13 store focusNext, 14 update the profile, 15 mark DONE: one transaction
        await checkpoints.complete(db, session_id, analysis)
    except SessionGone:
        await drop_audio(work, services)
    except InvalidState:
        raise
    except Exception as error:
        raise await record_failure(session_id, error, services) from None


def require_speech(text: str) -> None:
    """Raises Permanent for a transcript without words: there is nothing to analyze, now or later."""
    if not count_words(text):
        raise Permanent("No speech was detected in the recording")


async def drop_audio(work: Work, services: Services) -> None:
    """The owner deleted the session while we worked: leave no recording behind. Raises Unavailable."""
    log.info("session_gone")
    if work.audio_key:
        await services.storage.delete(work.audio_key)


async def record_failure(session_id: str, error: Exception, services: Services) -> StepFailed:
    """Set the session to FAILED with a safe sentence, and return what to answer.

    A database that is down here does not mask the answer: the row keeps its lease, and once that is over a retry claims it.
    """
    failure = _as_failure(error)
    log.warning("session_failed", error=type(error).__name__, reason=failure.message, retryable=failure.status == 500)
    try:
        await checkpoints.fail(services.database, session_id, failure.message)
    except Unavailable:
        log.warning("failure_not_recorded")
    return failure


def _as_failure(error: Exception) -> StepFailed:
    if isinstance(error, StepFailed):
        return error
    if isinstance(error, AppError):
        return Transient(error.message)
    # A defect of ours. Its text may hold anything, so it goes nowhere.
    return Transient("Something went wrong while processing the recording")
