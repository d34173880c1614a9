"""Whisper transcribes: https://platform.openai.com/docs/api-reference/audio/createTranscription"""

from typing import TYPE_CHECKING

import structlog

from app.adapters.attempts import SDK_RETRIES, attempts
from app.adapters.retry_after import retry_after_s
from app.errors import Permanent, Transient
from app.lazy import LazyClient
from app.recordings.recording import Audio
from app.text import storable

if TYPE_CHECKING:
    from openai import AsyncOpenAI

log = structlog.get_logger()

MODEL = "whisper-1"
LANGUAGE = "en"
# For one attempt. All of them, and the SDK's waiting between them, stay within the delivery's deadline.
TIMEOUT_S = 180.0
# "File uploads are currently limited to 25 MB": https://platform.openai.com/docs/guides/speech-to-text
MAX_FILE_BYTES = 25 * 1024 * 1024

# The answers by which Whisper says that this file will never do.
_REFUSALS = {400, 413, 415, 422}


class Whisper:
    """Transcribes files. The SDK retries twice within seconds, as the original's did; after that QStash does."""

    def __init__(self, client: "LazyClient[AsyncOpenAI]", max_file_bytes: int = MAX_FILE_BYTES) -> None:
        self._client, self.max_file_bytes = client, max_file_bytes

    async def transcribe(self, audio: Audio, prompt: str = "") -> str:
        """The words spoken in ``audio``; empty when there are none. ``prompt`` is the text that came before.

        Raises Permanent when Whisper refuses the file, Transient when it does not answer.
        """
        client = await self._client()
        from openai import APIStatusError, OpenAIError, omit

        try:
            answer = await client.audio.transcriptions.with_raw_response.create(
                model=MODEL,
                file=(audio.filename, audio.file, audio.content_type),
                language=LANGUAGE,
                prompt=prompt or omit,
            )
            response: object = answer.parse()
        except APIStatusError as error:
            log.warning("transcription_failed", status=error.status_code, attempts=attempts(error.request.headers))
            if error.status_code in _REFUSALS:
                raise Permanent("The recording could not be read as audio") from None
            raise Transient(
                "The transcription service could not answer", retry_after_s(error.response.headers)
            ) from None
        except (OpenAIError, ValueError):  # ValueError: a body that is not JSON
            log.warning("transcription_failed")
            raise Transient("The transcription service did not answer") from None
        # Typed by the SDK, sent by a server.
        text: object = getattr(response, "text", None)
        if not isinstance(text, str):
            raise Transient("The transcription came in an unexpected form")
        log.info("file_transcribed", audio_bytes=audio.size_bytes, attempts=answer.retries_taken + 1)
        return storable(text)


def open_openai(api_key: str, base_url: str) -> "AsyncOpenAI":
    """A client that retries twice, and waits for each attempt for TIMEOUT_S at most."""
    from openai import AsyncOpenAI, DefaultAioHttpClient

    # aiohttp below the SDK: less CPU for each request (docs/decisions/cpu.md).
    http = DefaultAioHttpClient(timeout=TIMEOUT_S)
    return AsyncOpenAI(api_key=api_key, base_url=base_url, timeout=TIMEOUT_S, max_retries=SDK_RETRIES, http_client=http)


async def close_openai(client: "AsyncOpenAI") -> None:
    """Close the client's connections."""
    await client.close()
