"""Speech to text at OpenAI: https://developers.openai.com/api/docs/guides/speech-to-text"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from app import telemetry
from app.adapters.lazy import LazyClient
from app.adapters.models import SDK_RETRIES, Models, Usage, provider_error
from app.adapters.retry_after import leave_long_waits_to_qstash
from app.audio.recording import AudioFile
from app.errors import AudioUnreadable, Misconfigured, Transient
from app.text import storable

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

log = structlog.get_logger()

# The operation and the provider, as telemetry names them. There is no well-known name for a transcription.
CALL = ("transcription", "openai")
LANGUAGE = "en"
# "Files can be up to 25 MB": the guide above.
MAX_FILE_BYTES = 25 * 1024 * 1024
# For one attempt. All attempts, and the SDK's waits between them, stay within the delivery's deadline.
TIMEOUT_S = 180.0
# Statuses that mean the file itself is refused.
_FILE_STATUSES = {400, 413, 415, 422}


@dataclass(frozen=True)
class SpeechModel:
    """How a model is called: whether it takes a list of ``languages``, whether a prompt ``continues`` a text, its file limits.

    The price is in US dollars per minute, as of November 2026.
    """

    name: str
    languages: bool
    continues: bool
    usd_per_minute: float
    max_file_bytes: int = MAX_FILE_BYTES
    # No limit in seconds is documented; older models refuse more than 1,400 s.
    max_file_s: float | None = None


# A model that is not listed is called like the newest listed model. Prices: https://developers.openai.com/api/docs/models
MODELS = {
    model.name: model
    for model in (
        SpeechModel("whisper-1", languages=False, continues=True, usd_per_minute=0.006),
        SpeechModel("gpt-4o-transcribe", languages=False, continues=True, usd_per_minute=0.006, max_file_s=1400),
        SpeechModel("gpt-4o-mini-transcribe", languages=False, continues=True, usd_per_minute=0.003, max_file_s=1400),
        SpeechModel("gpt-transcribe", languages=True, continues=False, usd_per_minute=0.0045, max_file_s=1400),
    )
}


def speech_model(name: str) -> SpeechModel:
    """The entry of a model, listed or not."""
    return MODELS.get(name) or replace(MODELS["gpt-transcribe"], name=name)


class Whisper:
    """Transcribes files. The SDK retries twice within seconds, as the original's did; after that QStash does."""

    def __init__(self, client: "LazyClient[AsyncOpenAI]", models: str) -> None:
        self._client = client
        self.models = Models("TRANSCRIPTION_MODELS", models, speech_model)
        # The lowest limits of all models, so that a recording is cut at the same places whichever of them transcribes it.
        self.max_file_bytes = min((model.max_file_bytes for model in self.models.all), default=0)
        self.max_file_s = min((model.max_file_s for model in self.models.all if model.max_file_s), default=None)

    async def transcribe(self, audio: AudioFile, prompt: str = "") -> tuple[str, Usage]:
        """The words in ``audio``, empty if there are none, by the first available model; returned with the usage.

        ``prompt`` is the text that came before.

        Raises AudioUnreadable if the file is refused, Misconfigured if our request is, Transient if there is no answer.
        """
        client = await self._client()
        from openai import APIConnectionError, APIStatusError, OpenAIError, omit  # noqa: PLC0415  # up to 1.3 s, already loaded by open_openai

        while True:
            model = self.models.first()
            try:
                with telemetry.active.model_call(*CALL, model.name):
                    answer = await client.audio.transcriptions.with_raw_response.create(
                        model=model.name,
                        file=(audio.filename, audio.file, audio.content_type),
                        language=omit if model.languages else LANGUAGE,
                        languages=[LANGUAGE] if model.languages else omit,
                        prompt=prompt if prompt and model.continues else omit,
                    )
                    text, usage = _read(answer.parse(), model, answer.retries_taken + 1)
                    telemetry.active.record_usage(*CALL, usage.logged)
                    return text, usage
            except APIStatusError as error:
                self._refused(error, model)
            except (OpenAIError, ValueError) as error:  # ValueError: a body that is not JSON
                # The SDK retries a failed connection, but not a malformed answer.
                attempts = SDK_RETRIES + 1 if isinstance(error, APIConnectionError) else 1
                log.warning("transcription_failed", model=model.name, attempts=attempts)
                raise Transient("The transcription service did not answer") from None

    def _refused(self, error: "APIStatusError", model: SpeechModel) -> None:
        # Returns if another model should be tried.
        found = provider_error(error.status_code, error.body, error.response.headers, error.request.headers)
        telemetry.active.record_usage(*CALL, {"model": model.name, "attempts": found.attempts})
        if found.model_gone:
            self.models.skip(model)
            return
        log.warning("transcription_failed", model=model.name, status=found.status, attempts=found.attempts)
        if found.status in _FILE_STATUSES and not found.kinds & {"billing_hard_limit_reached"}:
            if found.status == 400 and found.parameter not in (None, "file"):
                # Not the file but our request is at fault.
                raise Misconfigured("TRANSCRIPTION_MODELS")
            raise AudioUnreadable
        if found.status == 404:
            raise Misconfigured("OPENAI_BASE_URL")
        raise found.failure("transcription", "OPENAI_API_KEY")


def _read(response: object, model: SpeechModel, attempts: int) -> tuple[str, Usage]:
    # The SDK declares these types, but does not check what the server sent.
    text: object = getattr(response, "text", None)
    if not isinstance(text, str):
        raise Transient("The transcription came in an unexpected form")
    seconds: object = getattr(getattr(response, "usage", None), "seconds", None)
    audio_s = float(seconds) if isinstance(seconds, int | float) else 0.0
    usage = Usage(model.name, attempts, audio_s=audio_s, cost_usd=audio_s / 60 * model.usd_per_minute)
    return storable(text), usage


def open_openai(api_key: str, base_url: str) -> "AsyncOpenAI":
    """A client that retries twice, and waits for each attempt for TIMEOUT_S at most."""
    from openai import AsyncOpenAI, DefaultAioHttpClient  # noqa: PLC0415  # 0.55 s: at the first transcription

    # aiohttp as the SDK's transport takes less CPU per request (docs/decisions/cpu.md).
    http = DefaultAioHttpClient(timeout=TIMEOUT_S, event_hooks={"response": [leave_long_waits_to_qstash]})
    return AsyncOpenAI(api_key=api_key, base_url=base_url, timeout=TIMEOUT_S, max_retries=SDK_RETRIES, http_client=http)
