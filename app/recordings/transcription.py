"""Transcribes a stored recording: downloads it and calls Whisper, once or, if it is long, once for each part."""

from contextlib import aclosing, closing
from math import inf

import structlog

from app import telemetry
from app.adapters.models import Usage
from app.adapters.whisper import Whisper
from app.audio.recording import AudioFile
from app.audio.silence import is_silent, is_suspicious
from app.errors import AudioMissing, StepFailed
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
        raise AudioMissing
    with telemetry.active.step("download"):
        audio = await services.storage.download(claim.audio_key, claim.session_id)
    with closing(audio.file):
        if _fits(audio, claim, services.whisper):
            text, usage = await services.whisper.transcribe(audio)
            usages = [usage]
        else:
            text, usages = await _transcribe_parts(audio, claim, services)
        if is_suspicious(text, claim.duration_s) and await _is_silent(audio, services):
            text = ""
    _log_usage(audio, usages)
    return text


def _fits(audio: AudioFile, claim: Claim, whisper: Whisper) -> bool:
    # The length is what the browser reported. If that is too low, the model refuses the file.
    length_s = claim.duration_s or 0
    return audio.size_bytes <= whisper.max_file_bytes and (whisper.max_file_s is None or length_s <= whisper.max_file_s)


def _log_usage(audio: AudioFile, usages: list[Usage]) -> None:
    log.info(
        "session_transcribed",
        audio_bytes=audio.size_bytes,
        parts=len(usages),
        model=",".join(sorted({usage.model for usage in usages})),
        attempts=sum(usage.attempts for usage in usages),
        audio_s=round(sum(usage.audio_s for usage in usages), 1),
        cost_usd=round(sum(usage.cost_usd for usage in usages), 6),
    )


async def _transcribe_parts(audio: AudioFile, claim: Claim, services: Services) -> tuple[str, list[Usage]]:
    """As ``transcribe``, with a checkpoint after each part. Parts stored by an earlier delivery are not transcribed again."""
    usages: list[Usage] = []
    texts = list(claim.parts)
    number = 0
    limits = (services.whisper.max_file_bytes, services.whisper.max_file_s or inf)
    async with aclosing(services.media.parts(audio, *limits)) as parts:
        async for part in parts:
            number += 1
            if number <= len(claim.parts):
                continue
            text, usage = await services.whisper.transcribe(part, prompt=_tail(" ".join(texts)))
            usages.append(usage)
            texts.append(text.strip())
            await checkpoints.save_part(services.database, claim, texts[-1], number)
    return " ".join(text for text in texts if text), usages


async def _is_silent(audio: AudioFile, services: Services) -> bool:
    try:
        silent = is_silent(await services.media.loudness(audio))
    except StepFailed:
        # If the loudness cannot be measured, the transcript stands.
        return False
    if silent:
        log.info("silence_detected")
    return silent


def _tail(text: str) -> str:
    """The last words, as many as Whisper considers, so that it continues in mid-sentence and with the same spelling."""
    tail = text[-PROMPT_CHARACTERS:]
    return tail if tail == text else tail.partition(" ")[2]
