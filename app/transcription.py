"""From a stored recording to its text: download, and one call to Whisper."""

from contextlib import closing

import structlog

from app.adapters.whisper import MAX_FILE_BYTES
from app.errors import Permanent
from app.services import Services
from app.sessions.delivery import Work

log = structlog.get_logger()


async def transcribe(work: Work, services: Services) -> str:
    """The words spoken in the session's recording. Raises StepFailed, Unavailable."""
    if not work.audio_key:
        raise Permanent("The recording is not in storage")
    audio = await services.storage.download(work.audio_key, work.session_id)
    with closing(audio.file):
        if audio.size_bytes > MAX_FILE_BYTES:
            raise Permanent("The recording is larger than the transcription service takes")
        text = await services.whisper.transcribe(audio)
    log.info("session_transcribed", audio_bytes=audio.size_bytes)
    return text
