"""No private data in log lines, error bodies, spans or metrics, whichever step fails."""

import json
import logging
from pathlib import Path

import pytest
import structlog

from app.logs import ALLOWED_ATTRIBUTES, configure_logging
from tests.support.otlp import Receiver
from tests.support.own_process import own_process
from tests.support.providers import ANALYSIS, TRANSCRIPT, Reply
from tests.support.serving import served
from tests.support.world import AUDIO, World

CANARY = "the-canary-sings-privately"


def fail_every_step(world: World) -> list[str]:
    """Make each step fail in turn, with a canary in every private place: transcript, insights, audio, e-mail, errors.

    Returns the answers.
    """
    answers: list[str] = []
    transcript = Reply(body={"text": f"{CANARY} said"})
    failing = Reply(500, {"error": {"message": CANARY, "type": CANARY}})
    scripts: list[tuple[list[Reply], list[str]]] = [
        ([failing], []),
        ([Reply(400, {"error": {"message": CANARY}})], []),
        ([Reply(200, {"text": f"{CANARY}\x00"})], [json.dumps({"insights": CANARY})]),
        ([transcript], [CANARY]),
        ([transcript], [json.dumps({**ANALYSIS, "focusNext": CANARY})]),
    ]
    for whisper, claude in scripts:
        world.providers.whisper.extend(whisper)
        for text in claude:
            world.providers.claude_says(text)
        session_id = world.upload(CANARY, CANARY.encode() + AUDIO, topic=CANARY)
        answers += [world.deliver(session_id, retried).text for retried in (0, 1)]
        answers.append(world.signed("/api/internal/process", json.dumps({"sessionId": CANARY}).encode()[:-1]).text)
        world.providers.whisper.clear()
        world.providers.claude.clear()
    with world.client(CANARY) as client:
        answers.append(client.get(f"/{CANARY}?email={CANARY}").text)
        answers.append(client.post("/api/sessions", content=CANARY).text)
    return answers


def test_no_word_of_a_learner_is_logged_or_answered(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """Whichever step fails, no log line and no answer contains the canary."""
    configure_logging("json")
    answers = fail_every_step(world)
    printed = "".join(capfd.readouterr())

    assert "session_failed" in printed and "delivery_finished" in printed
    assert CANARY not in printed
    assert not any(CANARY in answer for answer in answers)
    assert "sk-test" not in printed and "sig_" not in printed and "authjs" not in printed


def test_no_word_of_a_learner_is_in_a_span_or_a_metric(world: World, tmp_path: Path) -> None:
    """Every exported byte is searched; spans contain the type of an exception, but no exception event."""
    receiver = Receiver()
    with (
        served(receiver.app) as url,
        own_process(world, tmp_path / "log", OTEL_EXPORTER_OTLP_ENDPOINT=url, LOG_FORMAT="json") as own,
    ):
        fail_every_step(own.world)
        assert own.world.signed("/api/internal/sweep", b"{}").status_code == 200
        own.stop()
    exported = b"".join(receiver.bodies)
    users = world.database.rows("SELECT id FROM users")

    assert {span.attributes.get("error.type") for span in receiver.spans} >= {
        "BadRequestError",
        "AudioUnreadable",
        "Transient",
    }
    assert receiver.points and CANARY not in own.printed
    assert sum(span.events for span in receiver.spans) == 0
    private = [CANARY, "sk-test", "sig_", "authjs", ANALYSIS["focusNext"], TRANSCRIPT, *(user["id"] for user in users)]
    assert [word for word in private if word.encode() in exported] == []
    in_metrics = {key for _, attributes in receiver.points for key, _ in attributes}
    assert in_metrics <= ALLOWED_ATTRIBUTES - {"speaking_coach.session_id"}
    assert {key for span in receiver.spans for key in span.attributes} <= ALLOWED_ATTRIBUTES


def test_unknown_keys_never_reach_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Keys that are not on the allow-list are dropped from log lines."""
    structlog.get_logger().info("something_happened", transcript=CANARY, words=3)

    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["words"] == 3 and line["dropped_keys"] == 1 and "transcript" not in line


def test_library_messages_are_not_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    """Libraries log requests and exception texts, so only the logger and the error type are kept."""
    try:
        raise ValueError(CANARY)
    except ValueError:
        logging.getLogger("some.library").exception("failed with %s", CANARY)

    printed = capsys.readouterr().out
    line = json.loads(printed.splitlines()[-1])
    assert CANARY not in printed
    assert line["logger"] == "some.library" and line["error"] == "ValueError"
