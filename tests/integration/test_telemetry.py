"""Traces and metrics, as received by an OTLP receiver from an application in its own process."""

import json
import socket
import time
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
from qstash_on_loopback.testing import running

from app.adapters.claude import open_anthropic
from local.ports import LOOPBACK, free_port
from tests.support.otlp import Point, Receiver
from tests.support.own_process import own_process
from tests.support.providers import Reply, message
from tests.support.serving import served
from tests.support.world import AUDIO, World

PROCESS, SWEEP = "/api/internal/process", "/api/internal/sweep"
# Disables periodic exports during a test.
NEVER = {"OTEL_BSP_SCHEDULE_DELAY": "3600000", "OTEL_METRIC_EXPORT_INTERVAL": "3600000"}
WHISPER = {"gen_ai__provider__name": "openai", "gen_ai__request__model": "whisper-1"}
HAIKU = {"gen_ai__provider__name": "anthropic", "gen_ai__request__model": "claude-haiku-4-5"}


@pytest.fixture
def receiver() -> Generator[tuple[Receiver, dict[str, str]], None, None]:
    """A receiver, and the variable that sends telemetry to it."""
    receiver = Receiver()
    with served(receiver.app) as url:
        yield receiver, {"OTEL_EXPORTER_OTLP_ENDPOINT": url}


def test_nothing_is_loaded_when_it_is_off(world: World, tmp_path: Path) -> None:
    """No OpenTelemetry module is loaded, except the API that Anthropic's SDK imports itself; messages get no header."""
    with own_process(world, tmp_path / "log") as without_endpoint:
        session_id = without_endpoint.world.upload()
        without_endpoint.stop()
    disabled = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{LOOPBACK}:1", "OTEL_SDK_DISABLED": "true"}
    with own_process(world, tmp_path / "log 2", **disabled) as own:
        assert own.world.deliver(session_id).status_code == 200
        assert own.world.signed(SWEEP, b"{}").status_code == 200
        own.stop()

    assert without_endpoint.loaded == []
    assert {name.split(".")[1] for name in own.loaded if "." in name} & {"sdk", "exporter", "proto"} == set()
    assert not any(name.startswith("upstash-forward") for name in world.providers.published[0]["headers"])


def test_one_trace_leads_from_the_upload_over_qstash_to_done(
    world: World, tmp_path: Path, receiver: tuple[Receiver, dict[str, str]]
) -> None:
    """Request, publish, delivery, every step and both model calls are in one trace, with the right parents."""
    received, endpoint = receiver
    with running() as qstash, own_process(world, tmp_path / "log", **endpoint, **qstash.environment, **NEVER) as own:
        session_id = own.world.upload()
        qstash.wait_until_done(timeout_s=90)
        own.stop()
    spans = {span.id: span for span in received.spans}
    tree = {span.name: spans[span.parent].name if span.parent else None for span in received.spans}

    assert world.database.session(session_id)["status"] == "DONE"
    assert len({span.trace for span in received.spans}) == 1 and len(spans) == len(tree)
    assert tree == {
        "POST /api/sessions": None,
        "publish": "POST /api/sessions",
        "POST /api/internal/process": "publish",
        "claim": "POST /api/internal/process",
        "transcribe": "POST /api/internal/process",
        "download": "transcribe",
        "transcription whisper-1": "transcribe",
        "save_transcript": "POST /api/internal/process",
        "delete_audio": "POST /api/internal/process",
        "analyze": "POST /api/internal/process",
        "chat claude-haiku-4-5": "analyze",
        "save_results": "POST /api/internal/process",
    }
    [upload], [delivery] = received.named("POST /api/sessions"), received.named("POST /api/internal/process")
    [call] = received.named("chat claude-haiku-4-5")
    assert {span.kind for span in (upload, delivery)} == {"server"} and call.kind == "client"
    assert upload.attributes["speaking_coach.session_id"] == session_id
    assert delivery.attributes == {
        "http.request.method": "POST",
        "http.route": PROCESS,
        "http.response.status_code": 200,
        "speaking_coach.session_id": session_id,
        "speaking_coach.attempt": 1,
    }
    assert call.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-haiku-4-5",
        "gen_ai.usage.input_tokens": 1,
        "gen_ai.usage.output_tokens": 1,
    }
    assert received.resource["service.name"] == "speaking-coach" and received.resource["service.instance.id"]
    assert received.headers[0]["content-type"] == "application/x-protobuf"


def test_metrics_of_a_done_a_failed_an_undelivered_and_a_swept_session(
    world: World, tmp_path: Path, receiver: tuple[Receiver, dict[str, str]]
) -> None:
    """Outcomes with reasons, attempts, audio, tokens, cost, step durations, the sweep and the backlog."""
    received, endpoint = receiver
    world.providers.whisper.append(Reply(body={"text": "I goes home.", "usage": {"type": "duration", "seconds": 90}}))
    answer = message(json.dumps({"insights": [], "focusNext": "Go on.", "summary": "Home."}), "end_turn")
    answer["usage"] = {"input_tokens": 1000, "output_tokens": 200}
    world.providers.claude.append(Reply(body=answer))
    with own_process(world, tmp_path / "log", **endpoint, **NEVER) as own:
        done, failed, undelivered, waiting = (own.world.upload() for _ in range(4))
        assert own.world.deliver(done).status_code == 200
        world.providers.whisper.append(Reply(400, {"error": {"message": "not audio"}}))
        assert own.world.deliver(failed, 1).status_code == 489
        # A callback is counted once, and not after a delivery that was already counted.
        for session_id, status in ((failed, 489), (undelivered, 503), (undelivered, 503)):
            assert own.world.deliver_failure(session_id, status).status_code == 200
        world.database.execute(
            f'UPDATE speaking_sessions SET "createdAt" = "createdAt" - interval \'2 hours\', '
            f"\"updatedAt\" = \"updatedAt\" - interval '1 hour' WHERE id = '{waiting}'"
        )
        assert own.world.signed(SWEEP, b"{}").status_code == 200
        own.stop()

    point = received.point
    assert point("speaking_coach.sessions", outcome="done") == Point(1)
    reason = "The recording could not be read as audio"
    assert point("speaking_coach.sessions", outcome="failed", reason=reason, error__type="AudioUnreadable") == Point(1)
    assert point("speaking_coach.sessions", outcome="undelivered") == Point(1)
    assert point("speaking_coach.delivery.attempts") == Point(3, 2)
    assert point("speaking_coach.model.attempts", **WHISPER) == Point(2)
    assert point("speaking_coach.model.attempts", **HAIKU) == Point(1)
    assert point("speaking_coach.model.audio", **WHISPER) == Point(90)
    assert point("speaking_coach.model.cost", **WHISPER) == Point(0.009)
    assert point("speaking_coach.model.cost", **HAIKU) == Point(0.002)
    for kind, tokens in (("input", 1000), ("output", 200)):
        labels = {**HAIKU, "gen_ai__operation__name": "chat", "gen_ai__token__type": kind}
        assert point("gen_ai.client.token.usage", **labels) == Point(tokens, 1)
    calls = point("gen_ai.client.operation.duration", **WHISPER, gen_ai__operation__name="transcription")
    steps = {name: point("speaking_coach.step.duration", step=name) for name in ("claim", "analyze", "publish")}
    assert calls and calls.count == 1 and calls.value > 0
    assert {name: each.count for name, each in steps.items() if each} == {"claim": 2, "analyze": 1, "publish": 5}
    broken = point("speaking_coach.step.duration", step="transcribe", error__type="AudioUnreadable")
    assert broken and broken.count == 1
    assert point("speaking_coach.sweep.runs") == Point(1)
    assert point("speaking_coach.sweep.results", result="published") == Point(1)
    assert point("speaking_coach.sweep.results", result="abandoned") == Point(0)
    assert point("speaking_coach.backlog") == Point(2)
    oldest = point("speaking_coach.oldest_waiting")
    assert oldest and 7200 <= oldest.value < 7300
    assert (received.units["speaking_coach.step.duration"], received.units["speaking_coach.backlog"]) == (
        "s",
        "{session}",
    )


def test_exported_before_a_serverless_instance_is_frozen(
    world: World, tmp_path: Path, receiver: tuple[Receiver, dict[str, str]]
) -> None:
    """On Vercel, spans and metrics are exported before the answer. A gauge is sent once, and not repeated."""
    received, endpoint = receiver
    with own_process(world, tmp_path / "log", **endpoint, **NEVER, VERCEL="1") as own:
        session_id = own.world.upload()
        assert [span.name for span in received.spans] == ["publish", "POST /api/sessions"]
        assert own.world.signed(SWEEP, b"{}").status_code == 200
        assert received.point("speaking_coach.backlog") == Point(1)
        assert own.world.deliver(session_id).status_code == 200
        assert received.named("POST /api/internal/process")
        assert received.point("speaking_coach.sessions", outcome="done") == Point(1)
        assert received.arrived["speaking_coach.backlog"] == 1


@pytest.mark.parametrize(("kind", "platform"), [("refuses", {}), ("hangs", {"VERCEL": "1"}), ("nonsense", {})])
@pytest.mark.thorough
def test_an_endpoint_that_does_not_answer_harms_nothing(
    world: World, tmp_path: Path, kind: str, platform: dict[str, str]
) -> None:
    """Requests succeed, neither they nor the shutdown wait for it, and no private text is printed."""
    secret, port = "the-canary-sings-privately", free_port()
    endpoint = {"nonsense": f"no-address {secret}"}.get(kind, f"http://{secret}:{secret}@{LOOPBACK}:{port}")
    environment = {
        **platform,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {secret}, {secret}",
        # Would make the exporter wait.
        "OTEL_EXPORTER_OTLP_TIMEOUT": "120",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    with Hanging(port if kind == "hangs" else free_port()), own_process(world, tmp_path / "log", **environment) as own:
        started = time.monotonic()
        session_id = own.world.upload(content=secret.encode() + AUDIO)
        assert own.world.deliver(session_id).status_code == 200
        took_s, stop_s = time.monotonic() - started, own.stop()

    assert world.database.session(session_id)["status"] == "DONE"
    assert took_s < 60 and stop_s < 30
    assert secret not in own.printed and "Traceback" not in own.printed


class Hanging:
    """A server that accepts connections and never answers."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_server((LOOPBACK, port))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def test_a_callers_own_context_brings_nothing_but_ids(
    world: World, tmp_path: Path, receiver: tuple[Receiver, dict[str, str]]
) -> None:
    """A caller's trace is continued; tracestate and baggage, which may contain anything, are dropped."""
    received, endpoint = receiver
    trace, canary = "0af7651916cd43dd8448eb211c80319c", "canary-in-a-header"
    contexts = [f"00-{trace}-b7ad6b7169203331-01", canary, f"00-{canary}", "ff" * 200]
    with own_process(world, tmp_path / "log", **endpoint, **NEVER) as own:
        for context in contexts:
            headers = {"traceparent": context, "tracestate": f"x={canary}", "baggage": f"y={canary}"}
            headers |= {"x-request-id": canary, "user-agent": canary}
            url = f"{own.world.url}/api/health?{canary}"
            assert httpx.get(url, headers=headers, trust_env=False).status_code == 200
        assert httpx.request("PURGE", f"{own.world.url}/{canary}", trust_env=False).status_code == 404
        own.stop()

    assert [span.name for span in received.spans] == ["GET /api/health"] * 4 + ["HTTP"]
    assert [span.trace == trace for span in received.spans[:4]] == [True, False, False, False]
    assert not any(canary.encode() in body for body in received.bodies)


def test_anthropics_own_spans_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """With this variable and a global tracer provider, their SDK would put transcripts into spans."""
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE", "content")
    client = open_anthropic("sk-ant-test", f"http://{LOOPBACK}:1")

    assert client.open_telemetry["traces"]["enabled"] is False
