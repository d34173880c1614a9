"""An OTLP/HTTP receiver on a real socket: decodes and stores what OpenTelemetry's exporter sends."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer"}
ERROR = 2


@dataclass(frozen=True)
class Span:
    """A received span. Ids are hexadecimal; ``events`` is the number of span events."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    failed: bool
    attributes: dict[str, Any]
    events: int


@dataclass(frozen=True)
class Point:
    """The latest point of a series: a counter's sum, a gauge's value, or a histogram's sum and ``count``."""

    value: float
    count: int = 0


Series = tuple[str, frozenset[tuple[str, Any]]]


@dataclass
class Receiver:
    """The received data, decoded; ``bodies`` are the raw request bodies."""

    spans: list[Span] = field(default_factory=list[Span])
    points: dict[Series, Point] = field(default_factory=dict[Series, Point])
    units: dict[str, str] = field(default_factory=dict[str, str])
    # The number of points received for each metric.
    arrived: Counter[str] = field(default_factory=Counter[str])
    resource: dict[str, Any] = field(default_factory=dict[str, Any])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    bodies: list[bytes] = field(default_factory=list[bytes])

    @property
    def app(self) -> Starlette:
        """The application to serve."""
        return Starlette(
            routes=[
                Route("/v1/traces", self._traces, methods=["POST"]),
                Route("/v1/metrics", self._metrics, methods=["POST"]),
            ]
        )

    def named(self, name: str) -> list[Span]:
        """The spans with a name, in order of arrival."""
        return [span for span in self.spans if span.name == name]

    def point(self, name: str, **attributes: Any) -> Point | None:
        """The latest point of a metric with exactly these attributes (``__`` stands for a dot)."""
        named = {key.replace("__", "."): value for key, value in attributes.items()}
        return self.points.get((name, frozenset(named.items())))

    async def _traces(self, request: Request) -> Response:
        export = ExportTraceServiceRequest.FromString(await self._note(request))
        for resource in export.resource_spans:
            self.resource = _attributes(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += [
                    Span(
                        span.name,
                        KINDS.get(span.kind, "?"),
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        span.status.code == ERROR,
                        _attributes(span.attributes),
                        len(span.events),
                    )
                    for span in scope.spans
                ]
        return Response(b"", media_type="application/x-protobuf")

    async def _metrics(self, request: Request) -> Response:
        export = ExportMetricsServiceRequest.FromString(await self._note(request))
        for resource in export.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    self.units[metric.name] = metric.unit
                    for number in [*metric.sum.data_points, *metric.gauge.data_points]:
                        self._keep(metric.name, number.attributes, Point(round(number.as_double or number.as_int, 9)))
                    for point in metric.histogram.data_points:
                        self._keep(metric.name, point.attributes, Point(point.sum, point.count))
        return Response(b"", media_type="application/x-protobuf")

    async def _note(self, request: Request) -> bytes:
        body = await request.body()
        self.headers.append(dict(request.headers))
        self.bodies.append(body)
        return body

    def _keep(self, name: str, attributes: Sequence[KeyValue], point: Point) -> None:
        self.arrived[name] += 1
        self.points[name, frozenset(_attributes(attributes).items())] = point


def _attributes(pairs: Sequence[KeyValue]) -> dict[str, Any]:
    values: Mapping[str, Any] = {pair.key: pair.value for pair in pairs}
    return {key: getattr(value, value.WhichOneof("value")) for key, value in values.items()}
