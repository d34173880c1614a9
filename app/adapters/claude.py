"""Claude finds the recurring patterns in a transcript: https://platform.claude.com/docs/en/api/messages"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from app import telemetry
from app.adapters.lazy import LazyClient
from app.adapters.models import SDK_RETRIES, Models, Usage, provider_error
from app.adapters.retry_after import leave_long_waits_to_qstash
from app.analysis import prompt
from app.analysis.shape import ANSWER_SCHEMA, Analysis, InvalidAnalysis, parse_analysis
from app.errors import Misconfigured, Transient

if TYPE_CHECKING:
    from anthropic import APIStatusError, AsyncAnthropic
    from anthropic.types import Message

log = structlog.get_logger()

# The operation and the provider, as telemetry names them.
CALL = ("chat", "anthropic")
# For one attempt. All attempts, and the SDK's waits between them, stay within the delivery's deadline.
TIMEOUT_S = 90.0


@dataclass(frozen=True)
class AnalysisModel:
    """How a model is called: the limit of its answer in tokens, and whether thinking must be switched off.

    Prices are in US dollars per million tokens, as of November 2026: https://platform.claude.com/docs/en/about-claude/pricing
    """

    name: str
    max_tokens: int
    thinks: bool
    usd_in: float
    usd_out: float


# A model that is not listed is called like the newest listed model. Haiku 5.5 counts the same text as about 30 % more tokens, and
# thinks by default, which may be switched off at its default effort:
# https://platform.claude.com/docs/en/models/haiku-5-5/migration-guide
MODELS = {
    model.name: model
    for model in (
        AnalysisModel("claude-haiku-4-5", max_tokens=2048, thinks=False, usd_in=1.0, usd_out=5.0),
        AnalysisModel("claude-haiku-4-5-20251001", max_tokens=2048, thinks=False, usd_in=1.0, usd_out=5.0),
        AnalysisModel("claude-haiku-5-5", max_tokens=3072, thinks=True, usd_in=0.1, usd_out=0.5),
    )
}

_CUT_OFF = "The analysis was cut off before its end"
_UNEXPECTED = "The analysis came in an unexpected form"
# Stop reasons of an unusable answer. Another attempt may succeed, so each is Transient. Any other is a normal end.
_STOPPED = {
    "max_tokens": _CUT_OFF,
    "model_context_window_exceeded": _CUT_OFF,
    "refusal": "The analysis service declined to analyze this recording",
    "pause_turn": "The analysis service did not finish its answer",
    "tool_use": _UNEXPECTED,
}


def analysis_model(name: str) -> AnalysisModel:
    """The entry of a model, listed or not."""
    return MODELS.get(name) or replace(MODELS["claude-haiku-5-5"], name=name)


class Claude:
    """Analyzes transcripts. The SDK retries twice within seconds, as the original's did; after that QStash does."""

    def __init__(self, client: "LazyClient[AsyncAnthropic]", models: str) -> None:
        self._client = client
        self.models = Models("ANALYSIS_MODELS", models, analysis_model)

    async def analyze(self, transcript: str) -> tuple[Analysis, Usage]:
        """The patterns found in ``transcript``, by the first available model; returned with the usage.

        Raises Misconfigured if our request is refused, Transient if the answer is missing, a refusal, cut off or malformed.
        """
        client = await self._client()
        from anthropic import AnthropicError, APIConnectionError, APIStatusError, omit  # noqa: PLC0415  # up to 1.3 s, already loaded by open_anthropic

        while True:
            model = self.models.first()
            try:
                with telemetry.active.model_call(*CALL, model.name):
                    answer = await client.messages.with_raw_response.create(
                        model=model.name,
                        max_tokens=model.max_tokens,
                        messages=[{"role": "user", "content": prompt.message(transcript)}],
                        # https://platform.claude.com/docs/en/build-with-claude/structured-outputs lists these models
                        output_config={"format": {"type": "json_schema", "schema": ANSWER_SCHEMA}},
                        thinking={"type": "disabled"} if model.thinks else omit,
                    )
                    message = await answer.parse()
                    usage = _usage(message, model, answer.retries_taken + 1)
                    # Before it is parsed: an unusable answer is paid for, too.
                    telemetry.active.record_usage(*CALL, usage.logged)
                    return _read(message), usage
            except APIStatusError as error:
                self._refused(error, model)
            except (AnthropicError, ValueError) as error:  # ValueError: a body that is not JSON
                # The SDK retries a failed connection, but not a malformed answer.
                attempts = SDK_RETRIES + 1 if isinstance(error, APIConnectionError) else 1
                log.warning("analysis_failed", model=model.name, attempts=attempts)
                raise Transient("The analysis service did not answer") from None

    def _refused(self, error: "APIStatusError", model: AnalysisModel) -> None:
        # Returns if another model should be tried.
        found = provider_error(error.status_code, error.body, error.response.headers, error.request.headers)
        telemetry.active.record_usage(*CALL, {"model": model.name, "attempts": found.attempts})
        if found.model_gone:
            self.models.skip(model)
            return
        log.warning("analysis_failed", model=model.name, status=found.status, attempts=found.attempts)
        if found.status == 404:
            raise Misconfigured("ANTHROPIC_BASE_URL")
        if found.status == 400 and not found.kinds & {"billing_error"}:
            # The model does not accept our request.
            raise Misconfigured("ANALYSIS_MODELS")
        raise found.failure("analysis", "ANTHROPIC_API_KEY")


def _read(message: "Message") -> Analysis:
    if message.stop_reason in _STOPPED:
        raise Transient(_STOPPED[message.stop_reason])
    # Thinking, if there is any, comes in separate blocks.
    text = "".join(block.text for block in message.content if block.type == "text")
    try:
        return parse_analysis(text)
    except InvalidAnalysis:
        raise Transient(_UNEXPECTED) from None


def _usage(message: "Message", model: AnalysisModel, attempts: int) -> Usage:
    tokens_in, tokens_out = message.usage.input_tokens, message.usage.output_tokens
    cost_usd = (tokens_in * model.usd_in + tokens_out * model.usd_out) / 1_000_000
    return Usage(model.name, attempts, tokens_in=tokens_in, tokens_out=tokens_out, cost_usd=cost_usd)


def open_anthropic(api_key: str, base_url: str) -> "AsyncAnthropic":
    """A client that retries twice, and waits for each attempt for TIMEOUT_S at most."""
    from anthropic import AsyncAnthropic, DefaultAioHttpClient  # noqa: PLC0415  # 1.3 s: at the first analysis

    # aiohttp as the SDK's transport takes less CPU per request (docs/decisions/cpu.md).
    http = DefaultAioHttpClient(timeout=TIMEOUT_S, event_hooks={"response": [leave_long_waits_to_qstash]})
    return AsyncAnthropic(
        api_key=api_key,
        base_url=base_url,
        timeout=TIMEOUT_S,
        max_retries=SDK_RETRIES,
        http_client=http,
        # Otherwise an environment variable could make the SDK record transcripts in spans of its own.
        open_telemetry=False,
    )
