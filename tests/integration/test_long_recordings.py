"""A recording over Whisper's limit, from the upload to DONE: in parts, each paid for once."""

import json
import threading
import time
from typing import Any

import pytest

from app.adapters.whisper import MAX_FILE_BYTES
from app.cutting import CUT_OFF, NOT_AUDIO
from tests.support.providers import Reply
from tests.support.recordings import TYPES, recording
from tests.support.world import World

# 73 minutes in WebM: two parts.
HOUR = 82
# An upload of 30 MB and its parts, on a busy machine.
pytestmark = pytest.mark.timeout(120)


def said(*texts: str) -> list[Reply]:
    """What Whisper answers to the parts."""
    return [Reply(body={"text": text}) for text in texts]


def transcript(world: World, session_id: str) -> dict[str, Any] | None:
    """The transcript as the learner sees it."""
    with world.client() as client:
        found: dict[str, Any] | None = client.get(f"/api/sessions/{session_id}").json()["transcript"]
        return found


@pytest.mark.parametrize("name", ["webm", "mp4"])
def test_is_written_down_in_parts(world: World, name: str) -> None:
    """Two calls, each within the limit and under the right name; the second begins with the end of the first."""
    begun = " ".join(f"word{number}" for number in range(300))
    world.providers.whisper.extend(said(begun, " and that was it. "))
    content_type = TYPES.get(name, f"audio/{name}")
    session_id = world.upload(content=recording(name, HOUR), content_type=content_type)

    assert world.deliver(session_id).status_code == 200
    first, second = world.providers.transcriptions
    assert len(first["content"]) <= MAX_FILE_BYTES and len(second["content"]) <= MAX_FILE_BYTES
    assert first["filename"] == f"session-{session_id}.{name}" and first["content_type"] == content_type
    assert "prompt" not in first
    assert begun.endswith(" " + second["prompt"]) and 700 < len(second["prompt"]) <= 800
    found = transcript(world, session_id)
    assert found is not None
    assert found["text"] == f"{begun} and that was it." and found["wordCount"] == 304
    assert world.storage.stored_keys() == []


def test_a_retry_goes_on_with_the_part_that_failed(world: World) -> None:
    """What Whisper has answered is not asked for again, and nobody sees half a transcript."""
    world.providers.whisper.extend([*said("The first part."), Reply(status=503, body={})])
    session_id = world.upload(content=recording("webm", HOUR))

    assert world.deliver(session_id).status_code == 500
    assert world.database.session(session_id)["status"] == "FAILED"
    assert transcript(world, session_id) is None
    world.providers.whisper.extend(said("The second part."))
    assert world.deliver(session_id, retried=1).status_code == 200
    assert [call.get("prompt") for call in world.providers.transcriptions] == [
        None,
        "The first part.",
        "The first part.",
    ]
    found = transcript(world, session_id)
    assert found is not None and found["text"] == "The first part. The second part."


def test_a_silent_part_is_a_checkpoint_too(world: World) -> None:
    """A part without words is asked for once, and leaves no trace in the text."""
    world.providers.whisper.extend([*said(""), Reply(status=503, body={}), *said("Only now.")])
    session_id = world.upload(content=recording("webm", HOUR))

    assert [world.deliver(session_id, retried).status_code for retried in (0, 1)] == [500, 200]
    assert len(world.providers.transcriptions) == 3
    found = transcript(world, session_id)
    assert found is not None and found["text"] == "Only now."


def test_the_mark_between_parts_cannot_be_said(world: World) -> None:
    """A model's odd answer is text, and never changes how the parts are counted."""
    world.providers.whisper.extend([*said("One\x1e.\x1e"), Reply(status=503, body={}), *said("Two.")])
    session_id = world.upload(content=recording("webm", HOUR))

    assert [world.deliver(session_id, retried).status_code for retried in (0, 1)] == [500, 200]
    found = transcript(world, session_id)
    assert found is not None and found["text"] == "One. Two."


def test_a_part_is_stored_once_whoever_comes_late(world: World) -> None:
    """A delivery that hangs past its lease finds its part written down by another, and stops."""
    session_id = world.upload(content=recording("webm", HOUR))
    world.providers.whisper.extend([Reply(body={"text": "Late."}, delay_s=3), *said("One.", "Two.")])
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(world.deliver(session_id).status_code))
    thread.start()
    while not world.providers.transcriptions:
        time.sleep(0.05)
    # Its lease is over.
    world.database.execute("UPDATE speaking_sessions SET \"updatedAt\" = now() at time zone 'utc' - interval '1 hour'")

    assert world.deliver(session_id, retried=1).status_code == 200
    thread.join()
    assert answers == [400]
    found = transcript(world, session_id)
    assert found is not None and found["text"] == "One. Two."


def test_a_session_deleted_between_two_parts(world: World) -> None:
    """The delivery ends quietly, and nothing is left."""
    session_id = world.upload(content=recording("webm", HOUR))
    world.providers.whisper.extend([Reply(body={"text": "One."}, delay_s=1)])
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(world.deliver(session_id).status_code))
    thread.start()
    while not world.providers.transcriptions:
        time.sleep(0.05)
    with world.client() as client:
        assert client.delete(f"/api/sessions/{session_id}").status_code == 200
    thread.join()

    assert answers == [200] and len(world.providers.transcriptions) == 1
    assert world.database.rows("SELECT id FROM transcripts") == [] and world.storage.stored_keys() == []


def test_parts_go_with_the_audio_of_a_session_that_was_given_up(world: World) -> None:
    """Once its recording is gone, half a transcript is of no use to anybody."""
    world.providers.whisper.extend([*said("The first part."), Reply(status=503, body={})])
    session_id = world.upload(content=recording("webm", HOUR))
    world.deliver(session_id)
    world.database.execute(
        "UPDATE speaking_sessions SET \"updatedAt\" = now() at time zone 'utc' - interval '25 hours'"
    )

    answer = world.signed("/api/internal/sweep", b"{}")
    assert answer.status_code == 200, json.loads(answer.content)
    assert world.storage.stored_keys() == [] and world.database.rows("SELECT id FROM transcripts") == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"not a recording " * (2 * 1024 * 1024), NOT_AUDIO),
        (b"#EXTM3U\n" + b"file:///etc/hostname\n" * (2 * 1024 * 1024), NOT_AUDIO),
        (recording("webm", HOUR)[:-1000], CUT_OFF),
    ],
    ids=["text", "playlist", "cut off"],
)
def test_what_cannot_be_cut_fails_for_good(world: World, content: bytes, sentence: str) -> None:
    """489, so that QStash stops; a sentence of ours in the row; Whisper is not called."""
    session_id = world.upload(content=content)

    answer = world.deliver(session_id)
    assert answer.status_code == 489 and answer.headers["upstash-nonretryable-error"] == "true"
    assert world.database.session(session_id)["errorMessage"] == sentence
    assert world.providers.transcriptions == []
