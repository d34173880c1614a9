"""Telemetry that is switched on: OpenTelemetry's SDK, and OTLP over HTTP. Imported by app/telemetry.py alone, when asked for.

The providers are this module's own and never the process's, so no library adds spans or attributes to ours.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, suppress

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics import _Gauge as Gauge  # pyright: ignore[reportPrivateUsage]  # it has no other name
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from structlog.contextvars import get_contextvars

from app.logs import allowed_attributes
from app.telemetry import FLUSH_S, METRICS, Attributes, Metric, Off

log = structlog.get_logger()

SCOPE = "speaking-coach"


class Exporter(Off):
    """Sends spans in batches and metrics at intervals, from threads of the SDK's."""

    on = True

    def __init__(self) -> None:
        resource = Resource.create()
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: SCOPE}))
        # Without the SDK's handlers at exit, which wait for half a minute: stop() waits for FLUSH_S.
        self._tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        if _wanted("TRACES"):
            self._tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        # A gauge is sent once for each value, not again and again by a process that was the last to sweep an hour ago.
        metrics = OTLPMetricExporter(preferred_temporality={Gauge: AggregationTemporality.DELTA})
        readers = [PeriodicExportingMetricReader(metrics)] if _wanted("METRICS") else []
        self._meters = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
        self._tracer, meter = self._tracers.get_tracer(SCOPE), self._meters.get_meter(SCOPE)
        self._record = {name: _instrument(meter, name, metric) for name, metric in METRICS.items()}
        self._context = TraceContextTextMapPropagator()
        # Vercel freezes an instance once it has answered. The variable:
        # https://vercel.com/docs/environment-variables/system-environment-variables
        self._freezes = os.environ.get("VERCEL") == "1"
        self._flushing = threading.Lock()

    @contextmanager
    def request(self, traceparent: str) -> Generator[None]:
        # Without the caller's tracestate and baggage: they may hold anything.
        parent = self._context.extract({"traceparent": traceparent})
        span = self._tracer.start_span("HTTP", parent, SpanKind.SERVER)
        with trace.use_span(span, record_exception=False, set_status_on_exception=False):
            yield

    def answered(self, method: str, route: str, status: int) -> None:
        span = trace.get_current_span()
        if not span.is_recording():
            return
        bound = get_contextvars()
        about = {f"speaking_coach.{name}": bound[name] for name in ("session_id", "attempt") if name in bound}
        about |= {"http.request.method": method.replace("other", "_OTHER"), "http.response.status_code": status}
        if route != "unknown":
            about["http.route"] = route
            span.update_name(f"{method} {route}")
        if status >= 500:
            about["error.type"] = str(status)
            span.set_status(StatusCode.ERROR)
        span.set_attributes(allowed_attributes(about))
        span.end()

    def step(self, name: str) -> AbstractContextManager[None]:
        return self._timed(name, SpanKind.INTERNAL, "speaking_coach.step.duration", {"step": name})

    def publish(self) -> AbstractContextManager[None]:
        about = {"step": "publish", "messaging.system": "qstash", "messaging.operation.name": "publish"}
        about |= {"messaging.operation.type": "send"}
        return self._timed("publish", SpanKind.PRODUCER, "speaking_coach.step.duration", about)

    def forwarded(self) -> dict[str, dict[str, str]]:
        headers: dict[str, str] = {}
        self._context.inject(headers)
        return {"headers": headers} if headers else {}

    def model_call(self, operation: str, provider: str, model: str) -> AbstractContextManager[None]:
        about = _about_call(operation, provider, model)
        return self._timed(f"{operation} {model}", SpanKind.CLIENT, "gen_ai.client.operation.duration", about)

    def used(self, operation: str, provider: str, figures: Attributes) -> None:
        about = _about_call(operation, provider, str(figures["model"]))
        for metric, figure in (("attempts", "attempts"), ("audio", "audio_s"), ("cost", "cost_usd")):
            if figure in figures:
                self.measure(f"speaking_coach.model.{metric}", float(figures[figure]), about)
        for kind, figure in (("input", "tokens_in"), ("output", "tokens_out")):
            if figure in figures:
                used = {f"gen_ai.usage.{kind}_tokens": figures[figure]}
                trace.get_current_span().set_attributes(allowed_attributes(used))
                about_tokens = {**about, "gen_ai.token.type": kind}
                self.measure("gen_ai.client.token.usage", float(figures[figure]), about_tokens)

    def measure(self, name: str, value: float, attributes: Attributes | None = None) -> None:
        self._record[name](value, allowed_attributes(attributes or {}, METRICS[name].attributes))

    async def flush(self) -> None:
        if self._freezes:
            await _within_limit(self._flush)

    async def stop(self) -> None:
        await _within_limit(self._shut_down)

    @contextmanager
    def _timed(self, name: str, kind: SpanKind, metric: str, about: Attributes) -> Generator[None]:
        started, failed = time.perf_counter(), dict[str, str]()
        span = self._tracer.start_span(name, kind=kind, attributes=allowed_attributes(about))
        try:
            # An exception is named, never recorded: its message and its traceback may hold private text.
            with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
                try:
                    yield
                except BaseException as error:
                    failed = {"error.type": type(error).__name__}
                    span.set_attributes(failed)
                    span.set_status(StatusCode.ERROR)
                    raise
        finally:
            self.measure(metric, time.perf_counter() - started, {**about, **failed})

    def _flush(self) -> None:
        # One at a time: while the endpoint does not answer, an export takes longer than anybody waits for it.
        if self._flushing.acquire(timeout=FLUSH_S):
            try:
                self._tracers.force_flush()
                self._meters.force_flush()
            finally:
                self._flushing.release()

    def _shut_down(self) -> None:
        self._tracers.shutdown()
        self._meters.shutdown()


def _wanted(signal: str) -> bool:
    return os.environ.get(f"OTEL_{signal}_EXPORTER", "").strip().lower() != "none"


def _instrument(meter: Meter, name: str, metric: Metric) -> Callable[..., None]:
    if metric.kind == "counter":
        return meter.create_counter(name, metric.unit).add
    if metric.kind == "gauge":
        return meter.create_gauge(name, metric.unit).set
    return meter.create_histogram(name, metric.unit, explicit_bucket_boundaries_advisory=metric.buckets).record


def _about_call(operation: str, provider: str, model: str) -> dict[str, str]:
    return {"gen_ai.operation.name": operation, "gen_ai.provider.name": provider, "gen_ai.request.model": model}


async def _within_limit(work: Callable[[], None]) -> None:
    """Do the work in a thread of its own, and wait for it for FLUSH_S at most."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def run() -> None:
        try:
            work()
        except Exception as error:
            # An SDK's error quotes whatever it was about.
            log.warning("telemetry_not_exported", error=type(error).__name__)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(done.set)

    # A daemon: the process may end without it.
    threading.Thread(target=run, daemon=True).start()
    with suppress(TimeoutError):
        await asyncio.wait_for(done.wait(), FLUSH_S)
