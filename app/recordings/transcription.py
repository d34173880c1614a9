"""From a stored recording to its text: download, and one call to Whisper; for a long one, one call for each part."""

import asyncio
from contextlib import closing

import structlog

from app.errors import Permanent
from app.recordings.cutting import cut
from app.recordings.recording import Audio
from app.services import Services
from app.sessions import checkpoints
from app.sessions.claim import Claim

log = structlog.get_logger()

# "The model only considers the final 224 tokens of the prompt", about so many characters of English:
# https://platform.openai.com/docs/guides/speech-to-text
PROMPT_CHARACTERS = 800


async def transcribe(claim: Claim, services: Services) -> str:
    """The words spoken in the session's recording. Raises StepFailed, Unavailable, SessionGone, InvalidState."""
    if not claim.audio_key or claim.audio_deleted:
        raise Permanent("The recording is not in storage")
    audio = await services.storage.download(claim.audio_key, claim.session_id)
    with closing(audio.file):
        if audio.size_bytes <= services.whisper.max_file_bytes:
            text = await services.whisper.transcribe(audio)
        else:
            text = await _transcribe_parts(audio, claim, services)
    log.info("session_transcribed", audio_bytes=audio.size_bytes)
    return text


async def _transcribe_parts(audio: Audio, claim: Claim, services: Services) -> str:
    """As above, each part a checkpoint: those that an earlier delivery has stored are cut off, but not transcribed again."""
    texts = list(claim.parts)
    parts = cut(audio, services.whisper.max_file_bytes)
    number = 0
    while part := await asyncio.to_thread(next, parts, None):
        number += 1
        if number <= len(claim.parts):
            continue
        text = (await services.whisper.transcribe(part, prompt=_tail(" ".join(texts)))).strip()
        await checkpoints.save_part(services.database, claim, text, number)
        texts.append(text)
    log.info("recording_cut", parts=number)
    return " ".join(text for text in texts if text)


def _tail(text: str) -> str:
    """The last words, as many as Whisper looks at: it goes on in the same spelling, in the middle of a sentence."""
    tail = text[-PROMPT_CHARACTERS:]
    return tail if tail == text else tail.partition(" ")[2]
