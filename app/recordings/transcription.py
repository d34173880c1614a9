"""Transcribes a stored recording: downloads it and calls Whisper, once or, if it is long, once for each part."""

from contextlib import aclosing, closing
from math import inf

import structlog

from app import telemetry
from app.adapters.models import Usage
from app.adapters.whisper import Transcription, Whisper
from app.errors import Permanent, StepFailed
from app.recordings.recording import Audio
from app.recordings.silence import is_silent, is_suspicious
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
    with telemetry.active.step("download"):
        audio = await services.storage.download(claim.audio_key, claim.session_id)
    with closing(audio.file):
        if _fits(audio, claim, services.whisper):
            heard = [await services.whisper.transcribe(audio)]
            text = heard[0].text
        else:
            text, heard = await _transcribe_parts(audio, claim, services)
        if is_suspicious(text, claim.duration_s) and await _is_silent(audio, services):
            text = ""
    _log_usage(audio, [one.usage for one in heard])
    return text


def _fits(audio: Audio, claim: Claim, whisper: Whisper) -> bool:
    # The length is what the browser reported. If that is too low, the model refuses the file.
    length_s = claim.duration_s or 0
    return audio.size_bytes <= whisper.max_file_bytes and (whisper.max_file_s is None or length_s <= whisper.max_file_s)


def _log_usage(audio: Audio, usages: list[Usage]) -> None:
    log.info(
        "session_transcribed",
        audio_bytes=audio.size_bytes,
        parts=len(usages),
        model=",".join(sorted({usage.model for usage in usages})),
        attempts=sum(usage.attempts for usage in usages),
        audio_s=round(sum(usage.audio_s for usage in usages), 1),
        cost_usd=round(sum(usage.cost_usd for usage in usages), 6),
    )


async def _transcribe_parts(audio: Audio, claim: Claim, services: Services) -> tuple[str, list[Transcription]]:
    """As ``transcribe``, with a checkpoint after each part. Parts stored by an earlier delivery are not transcribed again."""
    heard: list[Transcription] = []
    texts = list(claim.parts)
    number = 0
    limits = (services.whisper.max_file_bytes, services.whisper.max_file_s or inf)
    async with aclosing(services.media.parts(audio, *limits)) as parts:
        async for part in parts:
            number += 1
            if number <= len(claim.parts):
                continue
            heard.append(await services.whisper.transcribe(part, prompt=_tail(" ".join(texts))))
            text = heard[-1].text.strip()
            await checkpoints.save_part(services.database, claim, text, number)
            texts.append(text)
    return " ".join(text for text in texts if text), heard


async def _is_silent(audio: Audio, services: Services) -> bool:
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
