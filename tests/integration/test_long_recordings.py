"""A recording over Whisper's limit, from upload to DONE: transcribed in parts, each paid only once."""

import io
import json
import threading
import time
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest

from app.adapters.whisper import MAX_FILE_BYTES
from app.application import create_app
from app.audio.media import UNCUTTABLE
from app.errors import NOT_AGAIN, AudioUnreadable
from app.sessions.repair import NEVER_PROCESSED
from local.audio import decode
from local.ports import LOOPBACK, free_port
from tests.support.faults import Faults
from tests.support.providers import Reply
from tests.support.recordings import TYPES, recording
from tests.support.serving import served
from tests.support.world import World

# An hour: two parts by size, but three by the limit of 1,400 s of some models.
HOUR = 82
# 44 seconds, and a limit that makes two parts of them, for tests that do not depend on the real size.
LONG = recording("webm", 1)
LOWERED_BYTES = 250_000


@pytest.fixture(scope="module")
def lowered_world(shared_world: World) -> Generator[World, None, None]:
    """Another application on the same database and storage, with a lower Whisper limit."""
    port = free_port()
    settings = shared_world.settings.model_copy(update={"app_url": f"http://{LOOPBACK}:{port}"})
    with served(create_app(settings, Faults(max_file_bytes=LOWERED_BYTES).opener()), port) as url:
        yield replace(shared_world, url=url, settings=settings)


@pytest.fixture
def low(lowered_world: World, world: World) -> World:
    """That application, with empty database and storage, and unscripted providers."""
    assert world.database is lowered_world.database
    return lowered_world


def said(*texts: str) -> list[Reply]:
    """Whisper's answers for the parts."""
    return [Reply(body={"text": text}) for text in texts]


def transcript(world: World, session_id: str) -> dict[str, Any] | None:
    """The transcript as shown to the learner."""
    with world.client() as client:
        found: dict[str, Any] | None = client.get(f"/api/sessions/{session_id}").json()["transcript"]
        return found


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["webm", "mp4"])
def test_a_long_recording_is_transcribed_in_parts(world: World, name: str) -> None:
    """In three calls within the limits of every model; each call's prompt continues the previous text."""
    begun = " ".join(f"word{number}" for number in range(300))
    world.providers.whisper.extend(said(begun, " and that", " was it. "))
    content_type = TYPES.get(name, f"audio/{name}")
    session_id = world.upload(content=recording(name, HOUR), content_type=content_type)

    assert world.deliver(session_id).status_code == 200
    first, second, third = world.providers.transcriptions
    assert all(len(call["content"]) <= MAX_FILE_BYTES for call in world.providers.transcriptions)
    assert all(len(decode(io.BytesIO(call["content"]), 8000)) <= 1400 * 8000 for call in world.providers.transcriptions)
    assert first["filename"] == f"session-{session_id}.{name}" and first["content_type"] == content_type
    assert "prompt" not in first
    assert begun.endswith(" " + second["prompt"]) and 700 < len(second["prompt"]) <= 800
    assert third["prompt"].endswith(" and that")
    found = transcript(world, session_id)
    assert found is not None
    assert found["text"] == f"{begun} and that was it." and found["wordCount"] == 304
    assert world.storage.stored_keys() == []


def test_a_retry_goes_on_with_the_part_that_failed(low: World) -> None:
    """Finished parts are not transcribed again, and no partial transcript is shown."""
    low.providers.whisper.extend([*said("The first part."), Reply(status=503, body={}, times=3)])
    session_id = low.upload(content=LONG)

    assert low.deliver(session_id).status_code == 500
    assert low.database.session(session_id)["status"] == "FAILED"
    assert transcript(low, session_id) is None
    low.providers.whisper.extend(said("The second part."))
    assert low.deliver(session_id, retried=1).status_code == 200
    assert [call.get("prompt") for call in low.providers.transcriptions] == [
        None,
        # Three attempts of the first delivery, one of the second.
        *["The first part."] * 4,
    ]
    found = transcript(low, session_id)
    assert found is not None and found["text"] == "The first part. The second part."


def test_a_silent_part_is_a_checkpoint_too(low: World) -> None:
    """A part without words is transcribed only once, and leaves no trace in the text."""
    low.providers.whisper.extend([*said(""), Reply(status=503, body={}, times=3), *said("Only now.")])
    session_id = low.upload(content=LONG)

    assert [low.deliver(session_id, retried).status_code for retried in (0, 1)] == [500, 200]
    assert len(low.providers.transcriptions) == 1 + 3 + 1
    found = transcript(low, session_id)
    assert found is not None and found["text"] == "Only now."


def test_model_output_cannot_contain_the_part_separator(low: World) -> None:
    """A separator character in a model's answer never changes how the parts are counted."""
    low.providers.whisper.extend([*said("One\x1e.\x1e"), Reply(status=503, body={}, times=3), *said("Two.")])
    session_id = low.upload(content=LONG)

    assert [low.deliver(session_id, retried).status_code for retried in (0, 1)] == [500, 200]
    found = transcript(low, session_id)
    assert found is not None and found["text"] == "One. Two."


def test_a_late_delivery_does_not_store_its_part_again(low: World) -> None:
    """A delivery that hangs past its lease finds that another has stored its part, and stops."""
    session_id = low.upload(content=LONG)
    low.providers.whisper.extend([Reply(body={"text": "Late."}, delay_s=3), *said("One.", "Two.")])
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(low.deliver(session_id).status_code))
    thread.start()
    while not low.providers.transcriptions:
        time.sleep(0.05)
    # Let its lease expire.
    low.database.execute("UPDATE speaking_sessions SET \"updatedAt\" = now() at time zone 'utc' - interval '1 hour'")

    assert low.deliver(session_id, retried=1).status_code == 200
    thread.join()
    assert answers == [400]
    found = transcript(low, session_id)
    assert found is not None and found["text"] == "One. Two."


def test_a_session_deleted_between_two_parts(low: World) -> None:
    """The delivery ends without an error, and nothing is left."""
    session_id = low.upload(content=LONG)
    low.providers.whisper.extend([Reply(body={"text": "One."}, delay_s=1)])
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(low.deliver(session_id).status_code))
    thread.start()
    while not low.providers.transcriptions:
        time.sleep(0.05)
    with low.client() as client:
        assert client.delete(f"/api/sessions/{session_id}").status_code == 200
    thread.join()

    assert answers == [200] and len(low.providers.transcriptions) == 1
    assert low.database.rows("SELECT id FROM transcripts") == [] and low.storage.stored_keys() == []


def test_parts_go_with_the_audio_of_a_session_that_was_given_up(low: World) -> None:
    """Once the recording is deleted, a partial transcript is useless and is deleted too."""
    low.providers.whisper.extend([*said("The first part."), Reply(status=503, body={}, times=3)])
    session_id = low.upload(content=LONG)
    low.deliver(session_id)
    low.database.execute(
        f"UPDATE speaking_sessions SET \"errorMessage\" = '{NEVER_PROCESSED}', "
        "\"updatedAt\" = now() at time zone 'utc' - interval '25 hours'"
    )

    answer = low.signed("/api/internal/sweep", b"{}")
    assert answer.status_code == 200, json.loads(answer.content)
    assert low.storage.stored_keys() == [] and low.database.rows("SELECT id FROM transcripts") == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"not a recording " * (2 * 1024 * 1024), AudioUnreadable.message),
        (b"#EXTM3U\n" + b"file:///etc/hostname\n" * (2 * 1024 * 1024), AudioUnreadable.message),
        (b"\xff\xf1\x50\x80\x02\x1f\xfc\0\0" * (3 * 1024 * 1024), UNCUTTABLE),
    ],
    ids=["text", "playlist", "bare AAC"],
)
def test_an_uncuttable_recording_fails_permanently(world: World, content: bytes, sentence: str) -> None:
    """It gets 489, so that QStash stops, and a message of ours; Whisper is not called."""
    session_id = world.upload(content=content)

    answer = world.deliver(session_id)
    assert answer.status_code == 489 and answer.headers["upstash-nonretryable-error"] == "true"
    assert world.database.session(session_id)["errorMessage"] == f"{sentence}. {NOT_AGAIN}"
    assert world.providers.transcriptions == []
