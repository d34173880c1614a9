"""A delivery from its signature to DONE, with real components."""

import json
from collections import deque

import httpx
import pytest

from app.errors import AGAIN, NOT_AGAIN
from app.text import storable
from tests.support.providers import ANALYSIS, TRANSCRIPT, Reply
from tests.support.world import AUDIO, World

OVERLOADED = Reply(529, {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, times=3)


def test_delivery_brings_a_session_to_done(world: World) -> None:
    """The main task: transcript, insights, focus and profile are stored, and the audio is deleted."""
    session_id = world.upload()
    answer = world.deliver(session_id)

    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    row = world.database.session(session_id)
    assert row["status"] == "DONE"
    assert row["focusNext"] == ANALYSIS["focusNext"]
    assert row["audioDeletedAt"] and row["errorMessage"] is None
    assert world.storage.stored_keys() == []
    [transcript] = world.database.rows("SELECT * FROM transcripts")
    assert (transcript["text"], transcript["wordCount"]) == (TRANSCRIPT, 11)
    insights = world.database.rows("SELECT * FROM insights ORDER BY id")
    assert [insight["pattern"] for insight in insights] == ["Past tense", "So openers"]
    assert insights[1]["frequency"] is None and insights[1]["suggestion"] is None
    [profile] = world.database.rows("SELECT patterns FROM pattern_profiles")
    assert profile["patterns"] == {"grammar:Past tense": 3, "structure:So openers": 1}


def test_absent_examples_are_json_null(world: World) -> None:
    """The column contains JSON null, not SQL NULL, like in the original."""
    world.deliver(world.upload())

    [row] = world.database.rows("SELECT count(*) AS n FROM insights WHERE examples = 'null'::jsonb")
    assert row["n"] == 1


def test_whisper_and_claude_are_called_as_the_contract_says(world: World) -> None:
    """Whisper gets model, language, file name and type; Claude gets model, token limit, prompt and transcript."""
    session_id = world.upload(content_type="audio/mp4")
    world.deliver(session_id)

    [call] = world.providers.transcriptions
    assert (call["model"], call["language"], call["content"]) == ("whisper-1", "en", AUDIO)
    assert (call["filename"], call["content_type"]) == (f"session-{session_id}.mp4", "audio/mp4")
    [message] = world.providers.messages
    assert (message["model"], message["max_tokens"]) == ("claude-haiku-4-5", 2048)
    [turn] = message["messages"]
    assert turn["role"] == "user" and turn["content"].endswith(f"\n\nTranscript:\n{TRANSCRIPT}")


@pytest.mark.parametrize(
    ("signature", "error"),
    [
        (None, "Missing signature"),
        ("", "Missing signature"),
        ("garbage", "Invalid signature"),
        ("a.b.c", "Invalid signature"),
    ],
)
def test_unsigned_request_is_refused(world: World, signature: str | None, error: str) -> None:
    """Nothing happens without QStash's signature."""
    session_id = world.upload()
    headers = {} if signature is None else {"upstash-signature": signature}
    body = json.dumps({"sessionId": session_id})
    answer = httpx.post(
        f"{world.url}/api/internal/process", content=body, headers=headers, trust_env=False, verify=False
    )

    assert (answer.status_code, answer.json()) == (401, {"error": error, "code": "UNAUTHORIZED"})
    assert world.database.session(session_id)["status"] == "UPLOADED"


def test_signature_for_another_url_is_refused(world: World) -> None:
    """A signature is valid for one address: one for the failure callback is not accepted for processing."""
    body = json.dumps({"sessionId": world.upload()}).encode()
    signature = world.keys.sign(world.settings.process_failed_url, body)
    answer = httpx.post(
        world.settings.process_url, content=body, headers={"upstash-signature": signature}, trust_env=False
    )

    assert answer.status_code == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"1", b'"x"', b"{}", b'{"sessionId":1}', b'{"sessionId":""}', b'{"sessionId":null}']
    + [b'{"sessionId":"a\\u0000b"}', b'{"sessionId":"\\ud800"}', b"[" * 60_000, b'{"sessionId":["x"]}'],
)  # fmt: skip
def test_malformed_message_is_not_retried(world: World, body: bytes) -> None:
    """A malformed message cannot succeed later, so 489 stops the retries."""
    answer = world.signed("/api/internal/process", body)

    assert (answer.status_code, answer.json()["code"]) == (489, "BAD_REQUEST")
    assert answer.headers["upstash-nonretryable-error"] == "true"


def test_unknown_session_is_404(world: World) -> None:
    """An unknown session is distinguished from a processed one."""
    answer = world.deliver("cunknown")

    assert (answer.status_code, answer.json()) == (404, {"error": "Session not found", "code": "NOT_FOUND"})


def test_second_delivery_does_not_call_whisper(world: World) -> None:
    """A processed session is left unchanged."""
    session_id = world.upload()
    world.deliver(session_id)
    before = world.database.session(session_id)
    answer = world.deliver(session_id)

    assert (answer.status_code, answer.json()) == (400, {"error": "Session already processed", "code": "INVALID_STATE"})
    assert len(world.providers.transcriptions) == 1
    assert world.database.session(session_id) == before


def test_retry_of_a_done_session_stops_qstash(world: World) -> None:
    """If the first answer was lost, the work is already done, so the retry succeeds."""
    session_id = world.upload()
    world.deliver(session_id)

    assert world.deliver(session_id, retried=1).status_code == 200


@pytest.mark.parametrize("status", [500, 503, 429])
def test_whisper_failure_is_retried_after_its_retry_after(world: World, status: int) -> None:
    """A transient failure gives a safe message and 500 with the provider's Retry-After; a retry succeeds."""
    world.providers.whisper.append(
        Reply(status, {"error": {"message": "private words"}}, {"retry-after": "1"}, times=3)
    )
    session_id = world.upload()
    answer = world.deliver(session_id)

    assert (answer.status_code, answer.json()) == (500, {"error": "Processing failed", "code": "PROCESSING_ERROR"})
    assert answer.headers["retry-after"] == "1"
    row = world.database.session(session_id)
    assert (row["status"], row["errorMessage"]) == ("FAILED", f"The transcription service could not answer. {AGAIN}")
    assert world.deliver(session_id).status_code == 400
    assert world.deliver(session_id, retried=1).status_code == 200
    assert world.database.session(session_id)["errorMessage"] is None


@pytest.mark.parametrize("provider", ["whisper", "claude"])
@pytest.mark.parametrize("asked", ["61", "3600", "864000"])
def test_long_retry_after_is_left_to_qstash(world: World, provider: str, asked: str) -> None:
    """The SDK does not wait: one attempt, an immediate answer, and the header is passed on if QStash accepts it."""
    replies: deque[Reply] = getattr(world.providers, provider)
    replies.append(Reply(429, {"error": {"message": "x"}}, {"retry-after": asked}, times=3))
    session_id = world.upload()
    answer = world.deliver(session_id)

    assert answer.status_code == 500
    assert answer.headers.get("retry-after") == (asked if int(asked) <= 86_400 else None)
    assert replies[0].times == 2
    replies.clear()


def test_refused_recording_is_permanent(world: World) -> None:
    """A file that Whisper rejects as not audio will be rejected again."""
    world.providers.whisper.append(Reply(400, {"error": {"message": "private words"}}))
    session_id = world.upload()
    answer = world.deliver(session_id)

    assert (answer.status_code, answer.json()["code"]) == (489, "PROCESSING_ERROR")
    assert answer.headers["upstash-nonretryable-error"] == "true"
    assert (
        world.database.session(session_id)["errorMessage"] == f"The recording could not be read as audio. {NOT_AGAIN}"
    )


def test_missing_audio_is_permanent(world: World) -> None:
    """A recording that is missing in storage will not reappear."""
    session_id = world.upload()
    [key] = world.storage.stored_keys()
    world.storage.client().delete_object(Bucket=world.storage.bucket, Key=key)
    answer = world.deliver(session_id)

    assert answer.status_code == 489
    assert world.database.session(session_id)["errorMessage"] == f"The recording is not in storage. {NOT_AGAIN}"


@pytest.mark.parametrize("text", ["", "  \n ", "…", "\u2014"])
def test_silence_is_reported_without_calling_claude(world: World, text: str) -> None:
    """No speech: word count 0, no call to Claude, a clear message for the learner, and the audio is deleted."""
    world.providers.whisper.append(Reply(body={"text": text}))
    session_id = world.upload()
    answer = world.deliver(session_id)

    assert answer.status_code == 489
    row = world.database.session(session_id)
    assert (row["status"], row["errorMessage"]) == ("FAILED", f"No speech was detected in the recording. {NOT_AGAIN}")
    assert world.database.rows('SELECT "wordCount" FROM transcripts') == [{"wordCount": 0}]
    assert world.providers.messages == [] and world.storage.stored_keys() == []


@pytest.mark.parametrize("step", ["whisper", "claude"])
def test_short_provider_failure_is_invisible_to_the_learner(world: World, step: str) -> None:
    """Two failures in a row are retried within the delivery with the whole recording, and never show as FAILED."""
    script = world.providers.whisper if step == "whisper" else world.providers.claude
    script.append(Reply(503, {"error": {"message": "x"}}, times=2))
    session_id = world.upload()

    assert world.deliver(session_id).status_code == 200
    calls = len(world.providers.transcriptions), len(world.providers.messages)
    assert calls == ((3, 1) if step == "whisper" else (1, 3))
    assert {call["content"] for call in world.providers.transcriptions} == {AUDIO}


def test_attempts_are_logged(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """The log shows how often a provider was called."""
    world.providers.whisper.append(Reply(503, {}, times=1))
    world.providers.claude.append(Reply(529, {}, times=3))
    world.deliver(world.upload())

    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    attempts = {line["event"]: line["attempts"] for line in lines if "attempts" in line}
    assert attempts == {"session_transcribed": 2, "analysis_failed": 3}


def test_retry_after_claude_failed_does_not_transcribe_again(world: World) -> None:
    """The transcript is a checkpoint, so nothing is paid twice."""
    world.providers.claude.append(OVERLOADED)
    session_id = world.upload()

    assert world.deliver(session_id).status_code == 500
    assert world.deliver(session_id, retried=1).status_code == 200
    assert len(world.providers.transcriptions) == 1 and len(world.providers.messages) == 4


@pytest.mark.parametrize(
    ("text", "stop_reason"),
    [
        ("not json", "end_turn"),
        ("[]", "end_turn"),
        (json.dumps({**ANALYSIS, "insights": ANALYSIS["insights"] * 3}), "end_turn"),
        (json.dumps({**ANALYSIS, "insights": [{**ANALYSIS["insights"][0], "category": "style"}]}), "end_turn"),
        (json.dumps({"insights": []}), "end_turn"),
        (json.dumps(ANALYSIS), "max_tokens"),
        ("", "refusal"),
    ],
)
def test_unusable_answer_of_claude_is_tried_again(world: World, text: str, stop_reason: str) -> None:
    """An invalid answer is not stored, and is a transient failure."""
    world.providers.claude_says(text, stop_reason)
    session_id = world.upload()

    assert world.deliver(session_id).status_code == 500
    assert world.database.rows("SELECT * FROM insights") == []
    assert world.database.session(session_id)["errorMessage"].startswith("The analysis ")
    assert world.deliver(session_id, retried=1).status_code == 200


def test_fenced_answer_is_accepted(world: World) -> None:
    """Models often wrap JSON in a Markdown fence."""
    world.providers.claude_says(f"```json\n{json.dumps(ANALYSIS)}\n```")

    assert world.deliver(world.upload()).status_code == 200


def test_text_is_stored_unchanged(world: World) -> None:
    """Line separators, quotes, emoji and NUL are stored as far as every layer supports them."""
    text = 'I\u2028said\u2029\u0085 "well" \'so\' \\n {"$type":"Json"} 🎤 é\x00.'
    world.providers.whisper.append(Reply(body={"text": text}))
    insight = {**ANALYSIS["insights"][0], "pattern": text, "examples": [text]}
    world.providers.claude_says(json.dumps({**ANALYSIS, "insights": [insight], "focusNext": text}))
    session_id = world.upload()
    assert world.deliver(session_id).status_code == 200
    with world.client() as client:
        session = client.get(f"/api/sessions/{session_id}").json()

    expected = storable(text)
    assert session["transcript"]["text"] == expected and session["focusNext"] == expected
    assert session["insights"][0]["pattern"] == expected and session["insights"][0]["examples"] == [expected]


def test_fractional_frequency_counts_the_same_everywhere(world: World) -> None:
    """2.5 becomes 2 in both the insight and the profile."""
    insight = {**ANALYSIS["insights"][0], "frequency": 2.5}
    world.providers.claude_says(json.dumps({**ANALYSIS, "insights": [insight]}))
    world.deliver(world.upload())

    assert world.database.rows("SELECT frequency FROM insights") == [{"frequency": 2}]
    assert world.database.rows("SELECT patterns FROM pattern_profiles") == [{"patterns": {"grammar:Past tense": 2}}]
