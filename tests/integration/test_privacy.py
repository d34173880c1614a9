"""Nothing private in a log line or an error body, whatever step fails."""

import json
import logging

import pytest
import structlog

from app.logs import configure_logging
from tests.support.providers import ANALYSIS, Reply
from tests.support.world import AUDIO, World

CANARY = "the-canary-sings-privately"


def test_no_word_of_a_learner_is_logged_or_answered(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """A canary in the transcript, the insights, the audio, the e-mail, provider errors and tokens; each step fails in turn."""
    configure_logging("json")
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
    printed = "".join(capfd.readouterr())

    assert "session_failed" in printed and "delivery_finished" in printed
    assert CANARY not in printed
    assert not any(CANARY in answer for answer in answers)
    assert "sk-test" not in printed and "sig_" not in printed and "authjs" not in printed


def test_unknown_keys_never_reach_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A careless line loses what it should not have said."""
    structlog.get_logger().info("something_happened", transcript=CANARY, words=3)

    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["words"] == 3 and line["dropped_keys"] == 1 and "transcript" not in line


def test_library_messages_are_not_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    """Libraries put requests and exception texts into their messages: only who spoke is kept."""
    try:
        raise ValueError(CANARY)
    except ValueError:
        logging.getLogger("some.library").exception("failed with %s", CANARY)

    printed = capsys.readouterr().out
    line = json.loads(printed.splitlines()[-1])
    assert CANARY not in printed
    assert line["logger"] == "some.library" and line["error"] == "ValueError"
