"""Retired models, wrong keys and exhausted accounts: no learner loses a session because of them."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.adapters.claude import analysis_model
from app.adapters.whisper import speech_model
from app.commands.retry import retry
from app.errors import MISCONFIGURED
from app.services import open_services
from app.sessions import operator, repair
from tests.integration.test_repair import age
from tests.support.providers import ANALYSIS, Reply, message
from tests.support.world import World

NOT_FOUND = {
    "error": {"message": "The model `x` does not exist", "type": "invalid_request_error", "code": "model_not_found"}
}


def events(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The log lines so far."""
    return [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]


@pytest.fixture(autouse=True)
def fresh(world: World) -> None:
    """Start without remembered missing models."""
    world.forget_models()


def test_retired_models_while_sessions_are_in_progress(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """With both first models retired, twenty concurrent sessions are DONE at once, and each model is logged once."""
    world.providers.retired |= {"whisper-1", "claude-haiku-4-5"}
    sessions = [world.upload(user=f"user-{number % 5}") for number in range(20)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(world.deliver, sessions))

    assert {answer.status_code for answer in answers} == {200}
    assert world.database.rows("SELECT DISTINCT status FROM speaking_sessions") == [{"status": "DONE"}]
    said = [
        (line["event"], line["model"], line["setting"], line["level"])
        for line in events(capfd)
        if line["level"] != "info"
    ]
    assert sorted(said) == [
        ("model_gone", "claude-haiku-4-5", "ANALYSIS_MODELS", "error"),
        ("model_gone", "whisper-1", "TRANSCRIPTION_MODELS", "error"),
    ]


def test_each_model_is_asked_in_its_form(world: World) -> None:
    """The first models get the original request; their successors get the parameters they require."""
    world.deliver(world.upload())
    world.providers.retired |= {"whisper-1", "claude-haiku-4-5"}
    world.deliver(world.upload())
    first, _, second = world.providers.transcriptions
    old, _, new = world.providers.messages

    assert (first["model"], first["language"]) == ("whisper-1", "en") and "languages[]" not in first
    assert second["model"] == "gpt-transcribe" and second["languages[]"] == "en" and "language" not in second
    assert (old["model"], old["max_tokens"]) == ("claude-haiku-4-5", 2048) and "thinking" not in old
    assert (new["model"], new["max_tokens"]) == ("claude-haiku-5-5", 3072) and new["thinking"] == {"type": "disabled"}
    assert new["messages"] == old["messages"]


def test_unknown_model_gets_the_newest_form() -> None:
    """An unknown model gets the same parameters as the newest known one."""
    assert speech_model("gpt-transcribe-2").languages and not speech_model("gpt-transcribe-2").continues
    assert analysis_model("claude-haiku-6").thinks


@pytest.mark.parametrize(
    ("step", "reply", "setting"),
    [
        ("whisper", Reply(401, {"error": {"message": "x", "code": "invalid_api_key"}}), "OPENAI_API_KEY"),
        ("whisper", Reply(403, {"error": {"message": "x"}}), "OPENAI_API_KEY"),
        ("whisper", Reply(429, {"error": {"message": "x", "code": "insufficient_quota"}}, times=3), "OPENAI_API_KEY"),
        ("whisper", Reply(404, NOT_FOUND, times=2), "TRANSCRIPTION_MODELS"),
        ("whisper", Reply(404, {"detail": "Not Found"}), "OPENAI_BASE_URL"),
        ("whisper", Reply(400, {"error": {"message": "x", "param": "languages"}}), "TRANSCRIPTION_MODELS"),
        ("claude", Reply(401, {"type": "error", "error": {"type": "authentication_error"}}), "ANTHROPIC_API_KEY"),
        ("claude", Reply(403, {"type": "error", "error": {"type": "permission_error"}}), "ANTHROPIC_API_KEY"),
        ("claude", Reply(402, {"type": "error", "error": {"type": "billing_error"}}), "ANTHROPIC_API_KEY"),
        ("claude", Reply(400, {"type": "error", "error": {"type": "billing_error"}}), "ANTHROPIC_API_KEY"),
        ("claude", Reply(404, {"type": "error", "error": {"type": "not_found_error"}}, times=2), "ANALYSIS_MODELS"),
        ("claude", Reply(400, {"type": "error", "error": {"type": "invalid_request_error"}}), "ANALYSIS_MODELS"),
    ],
    ids=lambda value: value.status if isinstance(value, Reply) else str(value),
)
def test_configuration_error_costs_no_session(
    world: World, capfd: pytest.CaptureFixture[str], step: str, reply: Reply, setting: str
) -> None:
    """500, so that QStash retries; the message takes the blame, the data is kept, and the log names the setting."""
    (world.providers.whisper if step == "whisper" else world.providers.claude).append(reply)
    session_id = world.upload()

    assert world.deliver(session_id).status_code == 500
    row = world.database.session(session_id)
    assert (row["status"], row["errorMessage"]) == ("FAILED", MISCONFIGURED)
    assert len(world.storage.stored_keys()) == (1 if step == "whisper" else 0)
    assert [line["setting"] for line in events(capfd) if line["event"] == "session_failed"] == [setting]
    world.deliver_failure(session_id)
    world.providers.reset()
    world.forget_models()
    assert world.deliver(session_id, retried=1).status_code == 200


@pytest.mark.parametrize(
    "message_text", ["This model has been deprecated.", "model whisper-1 was retired", "Model is no longer available"]
)
def test_deprecated_and_refused_counts_as_gone(world: World, message_text: str) -> None:
    """Some models are refused with 400 instead of 404."""
    world.providers.whisper.append(Reply(400, {"error": {"message": message_text, "type": "invalid_request_error"}}))

    assert world.deliver(world.upload()).status_code == 200
    assert [call["model"] for call in world.providers.transcriptions] == ["whisper-1", "gpt-transcribe"]


def test_refused_file_is_still_the_files_fault(world: World) -> None:
    """A 400 about the file is permanent, whichever model returns it."""
    world.providers.whisper.append(Reply(400, {"error": {"message": "Invalid file format.", "param": "file"}}))

    assert world.deliver(world.upload()).status_code == 489


TEXT = {"type": "text", "text": json.dumps(ANALYSIS)}
THINKING = {"type": "thinking", "thinking": "Let me see.", "signature": "s"}


@pytest.mark.parametrize(
    "content",
    [
        [THINKING, TEXT],
        [{"type": "redacted_thinking", "data": "x"}, TEXT],
        [{"type": "text", "text": TEXT["text"][:40]}, THINKING, {"type": "text", "text": TEXT["text"][40:]}],
    ],
    ids=["thinking", "redacted", "several"],
)
def test_text_is_found_among_other_blocks(world: World, content: list[dict[str, Any]]) -> None:
    """Blocks are selected by type, and several text blocks form one answer."""
    world.providers.claude.append(Reply(body={**message("", "end_turn"), "content": content}))

    assert world.deliver(world.upload()).status_code == 200


@pytest.mark.parametrize(
    ("stop_reason", "status"),
    [
        *(("end_turn", 200), ("stop_sequence", 200), ("a_reason_of_tomorrow", 200), (None, 200)),
        *(("max_tokens", 500), ("model_context_window_exceeded", 500), ("refusal", 500), ("pause_turn", 500)),
        ("tool_use", 500),
    ],
)
def test_every_stop_reason_has_an_outcome(world: World, stop_reason: str, status: int) -> None:
    """A complete answer is used, whatever its stop reason is called; an incomplete one is retried."""
    world.providers.claude_says(json.dumps(ANALYSIS), stop_reason)
    session_id = world.upload()

    assert world.deliver(session_id).status_code == status
    assert world.deliver(session_id, retried=1).status_code == 200


def test_usage_is_logged(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """One line per step, with model, attempts, seconds or tokens, and cost."""
    world.providers.whisper.append(Reply(body={"text": "I go home.", "usage": {"type": "duration", "seconds": 60}}))
    answer = message(json.dumps(ANALYSIS), "end_turn")
    world.providers.claude.append(Reply(body={**answer, "usage": {"input_tokens": 1000, "output_tokens": 200}}))
    world.deliver(world.upload())
    lines = {line["event"]: line for line in events(capfd)}

    heard, analyzed = lines["session_transcribed"], lines["session_analyzed"]
    assert (heard["model"], heard["attempts"], heard["audio_s"], heard["cost_usd"]) == ("whisper-1", 1, 60.0, 0.006)
    assert (analyzed["model"], analyzed["tokens_in"], analyzed["tokens_out"]) == ("claude-haiku-4-5", 1000, 200)
    assert analyzed["cost_usd"] == 0.002


def test_sweep_brings_misconfigured_sessions_back_for_a_week(world: World) -> None:
    """Once the key is corrected, waiting sessions are processed without further action."""
    world.providers.whisper.append(Reply(401, {"error": {"message": "x"}}))
    session_id = world.upload()
    world.deliver(session_id)
    world.deliver_failure(session_id)
    age(world, session_id, repair.GIVE_UP_AFTER_S - 3600)
    world.providers.published.clear()
    world.signed("/api/internal/sweep", b"{}")

    assert len(world.providers.published) == 1 and world.deliver(session_id).status_code == 200


@pytest.mark.anyio
async def test_corrected_key_brings_all_sessions_back(world: World) -> None:
    """With a wrong key, twenty sessions fail and keep their recordings; once it is fixed, one call recovers all."""
    world.providers.whisper.append(Reply(401, {"error": {"message": "x"}}, times=20))
    sessions = [world.upload() for _ in range(20)]
    assert {world.deliver(session_id).status_code for session_id in sessions} == {500}
    assert len(world.storage.stored_keys()) == 20

    async with open_services(world.settings) as services:
        reopened = await operator.misconfigured(services.database)
        assert [await retry(session_id, services) for session_id in reopened] == [None] * 20
    assert set(reopened) == set(sessions)
    assert {world.deliver(session_id).status_code for session_id in sessions} == {200}
