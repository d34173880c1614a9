"""Traces and metrics with OpenTelemetry, which is only loaded if OTEL_EXPORTER_OTLP_ENDPOINT is set.

OpenTelemetry's own variables configure the rest. docs/observability.md lists spans, metrics and attributes.
"""

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import structlog

log = structlog.get_logger()

# How long a request on a serverless platform, or a shutdown, waits for an export, in seconds.
FLUSH_S = 2.0
Attributes = Mapping[str, str | int | float]
_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
_MODEL = ("gen_ai.provider.name", "gen_ai.request.model")
CALL_ATTRIBUTES: tuple[str, ...] = ("gen_ai.operation.name", *_MODEL)


@dataclass(frozen=True)
class Metric:
    """An instrument: its kind, unit (UCUM), the attributes it may have, and the buckets of a histogram."""

    kind: Literal["counter", "histogram", "gauge"]
    unit: str
    attributes: tuple[str, ...] = ()
    buckets: tuple[float, ...] | None = None


# The gen_ai metrics follow https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-metrics.md
METRICS = {
    "speaking_coach.sessions": Metric("counter", "{session}", ("outcome", "reason", "error.type")),
    "speaking_coach.step.duration": Metric("histogram", "s", ("step", "error.type"), _SECONDS),
    "speaking_coach.delivery.attempts": Metric("histogram", "{attempt}", (), (1, 2, 3, 4)),
    "speaking_coach.model.attempts": Metric("counter", "{attempt}", _MODEL),
    "speaking_coach.model.audio": Metric("counter", "s", _MODEL),
    "speaking_coach.model.cost": Metric("counter", "{USD}", _MODEL),
    "gen_ai.client.operation.duration": Metric(
        "histogram", "s", (*CALL_ATTRIBUTES, "error.type"), tuple(0.01 * 2**n for n in range(14))
    ),
    "gen_ai.client.token.usage": Metric(
        "histogram", "{token}", (*CALL_ATTRIBUTES, "gen_ai.token.type"), tuple(4**n for n in range(14))
    ),
    "speaking_coach.sweep.runs": Metric("counter", "{run}"),
    "speaking_coach.sweep.results": Metric("counter", "{item}", ("result",)),
    "speaking_coach.backlog": Metric("gauge", "{session}"),
    "speaking_coach.oldest_waiting": Metric("gauge", "s"),
}


class NoTelemetry:
    """Telemetry that is switched off: each call does nothing."""

    on = False

    def request(self, traceparent: str) -> AbstractContextManager[object]:
        """The span of a request, in the caller's trace if ``traceparent`` names one."""
        return _NOTHING

    def end_request(self, method: str, route: str, status: int) -> None:
        """End the request's span, with the session that the log names. Idempotent."""

    def step(self, name: str) -> AbstractContextManager[None]:
        """The span and the duration of a step of the pipeline, or of a ``publish`` to QStash."""
        return _NOTHING

    def trace_headers(self) -> dict[str, dict[str, str]]:
        """Arguments to add to a published message: ``headers`` that propagate the current span. Empty when off."""
        return {}

    def model_call(self, operation: str, provider: str, model: str) -> AbstractContextManager[None]:
        """The span and the duration of a call to a model."""
        return _NOTHING

    def record_usage(self, operation: str, provider: str, figures: Attributes) -> None:
        """What the current call used: ``figures`` is ``Usage.logged``."""

    def measure(self, name: str, value: float, attributes: Attributes | None = None) -> None:
        """Record a value of a metric. Attributes that are not its own are dropped."""

    async def flush(self) -> None:
        """Export pending data, if the platform may freeze this process after a response. Takes FLUSH_S at most."""

    async def stop(self) -> None:
        """Export pending data, and stop. Takes FLUSH_S at most."""


_NOTHING = nullcontext()
active = NoTelemetry()


@asynccontextmanager
async def exporting() -> AsyncGenerator[None]:
    """Telemetry for the duration of the block, if the environment asks for it. An invalid variable does not prevent the start."""
    global active
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip() and not disabled:
        try:
            from app.telemetry.exporter import Exporter  # noqa: PLC0415  # 0.4 s, only if it is on

            active = Exporter()
        except Exception as error:
            # Its message quotes the variable, which may be a header with an API key.
            log.error("telemetry_not_started", error=type(error).__name__)
    try:
        yield
    finally:
        stopping, active = active, NoTelemetry()
        await stopping.stop()
