"""Telemetry with OpenTelemetry's SDK and OTLP over HTTP. Only app/telemetry/__init__.py imports it, and only if telemetry is on.

The providers are not registered globally, so no library can add spans or attributes to ours.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

import structlog
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics import _Gauge as Gauge  # pyright: ignore[reportPrivateUsage]  # it has no other name
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from structlog.contextvars import get_contextvars

from app.logs import allowed_attributes
from app.telemetry import CALL_ATTRIBUTES, FLUSH_S, METRICS, Attributes, Metric, NoTelemetry

log = structlog.get_logger()

SCOPE = "speaking-coach"
_PUBLISH = {"messaging.system": "qstash", "messaging.operation.name": "publish", "messaging.operation.type": "send"}


class Exporter(NoTelemetry):
    """Sends spans in batches and metrics at intervals, from the SDK's own threads."""

    on = True

    def __init__(self) -> None:
        resource = Resource.create()
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: SCOPE}))
        # Without the SDK's atexit handlers, which may block for 30 s. stop() waits for FLUSH_S at most.
        self._tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        if _wanted("TRACES"):
            self._tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        # Send each value of a gauge only once. Otherwise a process would keep sending the values of its last sweep.
        metrics = OTLPMetricExporter(preferred_temporality={Gauge: AggregationTemporality.DELTA})
        readers = [PeriodicExportingMetricReader(metrics)] if _wanted("METRICS") else []
        # Exemplars are a tenth of the cost, so they are off unless OpenTelemetry's own variable asks for them.
        exemplars = None if os.environ.get("OTEL_METRICS_EXEMPLAR_FILTER") else AlwaysOffExemplarFilter()
        self._meters = MeterProvider(readers, resource=resource, shutdown_on_exit=False, exemplar_filter=exemplars)
        self._tracer, meter = self._tracers.get_tracer(SCOPE), self._meters.get_meter(SCOPE)
        self._record = {name: _instrument(meter, name, metric) for name, metric in METRICS.items()}
        self._context = TraceContextTextMapPropagator()
        # Set by Vercel, which freezes an instance once it has responded.
        self._freezes = os.environ.get("VERCEL") == "1"
        self._flushing = threading.Lock()

    def request(self, traceparent: str) -> AbstractContextManager[object]:
        # Without the caller's tracestate and baggage: they could contain anything.
        parent = self._context.extract({"traceparent": traceparent})
        span = self._tracer.start_span("HTTP", parent, SpanKind.SERVER)
        return trace.use_span(span, record_exception=False, set_status_on_exception=False)

    def end_request(self, method: str, route: str, status: int) -> None:
        span = trace.get_current_span()
        if not span.is_recording():
            return
        bound = get_contextvars()
        attributes = {f"speaking_coach.{name}": bound[name] for name in ("session_id", "attempt") if name in bound}
        attributes |= {"http.request.method": method.replace("other", "_OTHER"), "http.response.status_code": status}
        if route != "unknown":
            attributes["http.route"] = route
            span.update_name(f"{method} {route}")
        if status >= 500:
            attributes["error.type"] = str(status)
            span.set_status(StatusCode.ERROR)
        span.set_attributes(allowed_attributes(attributes))
        span.end()

    def step(self, name: str) -> AbstractContextManager[None]:
        kind, more = (SpanKind.PRODUCER, _PUBLISH) if name == "publish" else (SpanKind.INTERNAL, {})
        return self._timed(name, kind, "speaking_coach.step.duration", {"step": name}, more)

    def trace_headers(self) -> dict[str, dict[str, str]]:
        headers: dict[str, str] = {}
        self._context.inject(headers)
        return {"headers": headers} if headers else {}

    def model_call(self, operation: str, provider: str, model: str) -> AbstractContextManager[None]:
        about = dict(zip(CALL_ATTRIBUTES, (operation, provider, model), strict=True))
        return self._timed(f"{operation} {model}", SpanKind.CLIENT, "gen_ai.client.operation.duration", about, about)

    def record_usage(self, operation: str, provider: str, figures: Attributes) -> None:
        about = dict(zip(CALL_ATTRIBUTES, (operation, provider, str(figures["model"])), strict=True))
        for metric, figure in (("attempts", "attempts"), ("audio", "audio_s"), ("cost", "cost_usd")):
            if figure in figures:
                self.measure(f"speaking_coach.model.{metric}", float(figures[figure]), about)
        for kind, figure in (("input", "tokens_in"), ("output", "tokens_out")):
            if figure in figures:
                tokens = float(figures[figure])
                used = allowed_attributes({f"gen_ai.usage.{kind}_tokens": int(tokens)})
                trace.get_current_span().set_attributes(used)
                self.measure("gen_ai.client.token.usage", tokens, about | {"gen_ai.token.type": kind})

    def measure(self, name: str, value: float, attributes: Attributes | None = None) -> None:
        self._record[name](value, allowed_attributes(attributes or {}, METRICS[name].attributes))

    async def flush(self) -> None:
        if self._freezes:
            await _within_limit(self._flush)

    async def stop(self) -> None:
        await _within_limit(self._shut_down)

    def _timed(self, name: str, kind: SpanKind, metric: str, about: dict[str, str], more: Attributes) -> "_Timed":
        span = self._tracer.start_span(name, kind=kind, attributes=allowed_attributes(more))
        return _Timed(span, lambda took_s, failed: self.measure(metric, took_s, about | failed))

    def _flush(self) -> None:
        # One at a time: if the endpoint does not answer, an export outlasts the wait for it, and exports would pile up.
        if self._flushing.acquire(timeout=FLUSH_S):
            try:
                self._tracers.force_flush()
                self._meters.force_flush()
            finally:
                self._flushing.release()

    def _shut_down(self) -> None:
        self._tracers.shutdown()
        self._meters.shutdown()


class _Timed(AbstractContextManager[None]):
    """Makes a span the current one, ends it, and reports its duration. Takes less CPU than the SDK's own helpers."""

    def __init__(self, span: Span, report: Callable[[float, dict[str, str]], None]) -> None:
        self._span, self._report, self._started = span, report, time.perf_counter()

    def __enter__(self) -> None:
        self._token = context.attach(trace.set_span_in_context(self._span))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        took_s, failed = time.perf_counter() - self._started, dict[str, str]()
        context.detach(self._token)
        if kind is not None:
            # Only the exception's type is recorded: its message and traceback may contain private text.
            failed = {"error.type": kind.__name__}
            self._span.set_attributes(failed)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()
        self._report(took_s, failed)


def _wanted(signal: str) -> bool:
    return os.environ.get(f"OTEL_{signal}_EXPORTER", "").strip().lower() != "none"


def _instrument(meter: Meter, name: str, metric: Metric) -> Callable[..., None]:
    if metric.kind == "counter":
        return meter.create_counter(name, metric.unit).add
    if metric.kind == "gauge":
        return meter.create_gauge(name, metric.unit).set
    return meter.create_histogram(name, metric.unit, explicit_bucket_boundaries_advisory=metric.buckets).record


async def _within_limit(work: Callable[[], None]) -> None:
    """Do the work in a separate thread, and wait for it for FLUSH_S at most."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def run() -> None:
        try:
            work()
        except Exception as error:
            # The SDK's error messages may quote private data.
            log.warning("telemetry_not_exported", error=type(error).__name__)
        with suppress(RuntimeError):  # the loop is closed: nobody is waiting any more
            loop.call_soon_threadsafe(done.set)

    # A daemon thread, so that the process can exit without waiting for it.
    threading.Thread(target=run, daemon=True).start()
    with suppress(TimeoutError):
        await asyncio.wait_for(done.wait(), FLUSH_S)
