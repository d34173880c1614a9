"""Whisper writes down what was said: https://platform.openai.com/docs/api-reference/audio/createTranscription"""

from typing import TYPE_CHECKING

from app.adapters.retry_after import retry_after_s
from app.errors import Permanent, Transient
from app.lazy import LazyClient
from app.recordings.recording import Audio

if TYPE_CHECKING:
    from openai import AsyncOpenAI

MODEL = "whisper-1"
LANGUAGE = "en"
TIMEOUT_S = 180.0
# "File uploads are currently limited to 25 MB": https://platform.openai.com/docs/guides/speech-to-text
MAX_FILE_BYTES = 25 * 1024 * 1024

# The answers by which Whisper says that this file will never do.
_REFUSALS = {400, 413, 415, 422}


class Whisper:
    """Asks Whisper once per call: QStash does the retrying, so that a retry is seen, counted and spaced out."""

    def __init__(self, client: "LazyClient[AsyncOpenAI]", max_file_bytes: int = MAX_FILE_BYTES) -> None:
        self._client, self.max_file_bytes = client, max_file_bytes

    async def transcribe(self, audio: Audio, prompt: str = "") -> str:
        """The words spoken in ``audio``; empty when there are none. ``prompt`` is the text that came before.

        Raises Permanent when Whisper refuses the file, Transient when it does not answer.
        """
        client = await self._client()
        from openai import APIStatusError, OpenAIError, omit

        try:
            response = await client.audio.transcriptions.create(
                model=MODEL,
                file=(audio.filename, audio.file, audio.content_type),
                language=LANGUAGE,
                prompt=prompt or omit,
            )
        except APIStatusError as error:
            if error.status_code in _REFUSALS:
                raise Permanent("The recording could not be read as audio") from None
            raise Transient(
                "The transcription service could not answer", retry_after_s(error.response.headers)
            ) from None
        except (OpenAIError, ValueError):  # ValueError: a body that is not JSON
            raise Transient("The transcription service did not answer") from None
        # Typed by the SDK, sent by a server.
        text: object = getattr(response, "text", None)
        if not isinstance(text, str):
            raise Transient("The transcription came in an unexpected form")
        # PostgreSQL stores no NUL, UTF-8 no lone surrogate; and what marks the end of a part is no word.
        return text.translate({0: None, 0x1E: None}).encode("utf-8", "replace").decode()


def open_openai(api_key: str, base_url: str) -> "AsyncOpenAI":
    """A client that answers within TIMEOUT_S or fails, and never retries by itself."""
    from openai import AsyncOpenAI, DefaultAioHttpClient

    # aiohttp below the SDK: less CPU for each request (docs/decisions/cpu.md).
    http = DefaultAioHttpClient(timeout=TIMEOUT_S)
    return AsyncOpenAI(api_key=api_key, base_url=base_url, timeout=TIMEOUT_S, max_retries=0, http_client=http)


async def close_openai(client: "AsyncOpenAI") -> None:
    """Close the client's connections."""
    await client.close()
