"""Claude finds the recurring patterns in a transcript: https://platform.claude.com/docs/en/api/messages"""

from typing import TYPE_CHECKING

import structlog

from app.adapters.attempts import SDK_RETRIES, attempts
from app.adapters.retry_after import retry_after_s
from app.errors import Transient
from app.lazy import LazyClient

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic.types import Message

    from app.analysis.shape import Analysis

log = structlog.get_logger()

MODEL = "claude-haiku-4-5"
MAX_TOKENS = 2048
TIMEOUT_S = 90.0

PROMPT = """You are an English language pattern analyzer. You help B2-C1+ English learners identify recurring habits in their spoken English.

Analyze this transcript from a speaking practice session. Do NOT correct every sentence. Instead, identify the TOP 3-5 recurring PATTERNS across the entire transcript.

Focus on:
- Grammar patterns: repeated misuse of tenses, articles, prepositions
- Vocabulary patterns: overused simple words, limited connector variety
- Structure patterns: repetitive sentence starters, complexity avoidance

For each pattern found, give:
- category: exactly one of "grammar", "vocabulary", "structure"
- pattern: a clear, short name; the same habit gets the same name in every session
- detail: a brief explanation
- frequency: approximately how often it occurs, a whole number
- severity: "high", "medium" or "low"
- examples: 2-3 short quotations from the transcript
- suggestion: one specific improvement

Also provide:
- focusNext: ONE actionable focus for the next session (specific, measurable)
- summary: 2-3 sentence overall assessment

Respond ONLY with valid JSON matching this schema:
{ "insights": [{ "category", "pattern", "detail", "frequency", "severity", "examples", "suggestion" }, ...], "focusNext": "...", "summary": "..." }"""


class Claude:
    """Analyzes transcripts. The SDK retries twice within seconds, as the original's did; after that QStash does."""

    def __init__(self, client: "LazyClient[AsyncAnthropic]") -> None:
        self._client = client

    async def analyze(self, transcript: str) -> "Analysis":
        """The patterns found in ``transcript``. Raises Transient: no answer, a refused or cut one, or one of another shape."""
        client = await self._client()
        from anthropic import AnthropicError, APIStatusError

        from app.analysis.shape import ANSWER_SCHEMA

        try:
            answer = await client.messages.with_raw_response.create(
                model=MODEL,
                max_tokens=MAX_TOKENS,
                messages=[{"role": "user", "content": f"{PROMPT}\n\nTranscript:\n{transcript}"}],
                # https://platform.claude.com/docs/en/build-with-claude/structured-outputs lists this model
                output_config={"format": {"type": "json_schema", "schema": ANSWER_SCHEMA}},
            )
            message = await answer.parse()
        except APIStatusError as error:
            log.warning("analysis_failed", status=error.status_code, attempts=attempts(error.request.headers))
            raise Transient("The analysis service could not answer", retry_after_s(error.response.headers)) from None
        except (AnthropicError, ValueError):  # ValueError: a body that is not JSON
            log.warning("analysis_failed")
            raise Transient("The analysis service did not answer") from None
        log.info("transcript_analyzed", attempts=answer.retries_taken + 1)
        return _read(message)


def _read(message: "Message") -> "Analysis":
    from app.analysis.shape import InvalidAnalysis, parse_analysis

    if message.stop_reason == "max_tokens":
        raise Transient("The analysis was cut off before its end")
    if message.stop_reason == "refusal":
        raise Transient("The analysis service declined to analyze this recording")
    if not message.content or message.content[0].type != "text":
        raise Transient("The analysis came in an unexpected form")
    try:
        return parse_analysis(message.content[0].text)
    except InvalidAnalysis:
        raise Transient("The analysis came in an unexpected form") from None


def open_anthropic(api_key: str, base_url: str) -> "AsyncAnthropic":
    """A client that retries twice, and waits for each attempt for TIMEOUT_S at most."""
    from anthropic import AsyncAnthropic, DefaultAioHttpClient

    # aiohttp below the SDK: less CPU for each request (docs/decisions/cpu.md).
    http = DefaultAioHttpClient(timeout=TIMEOUT_S)
    return AsyncAnthropic(
        api_key=api_key, base_url=base_url, timeout=TIMEOUT_S, max_retries=SDK_RETRIES, http_client=http
    )


async def close_anthropic(client: "AsyncAnthropic") -> None:
    """Close the client's connections."""
    await client.close()
