"""POST /api/sessions with a form: what is stored, what is refused, and what a failure leaves behind."""

import re
import threading
from tempfile import SpooledTemporaryFile
from typing import Any

import httpx
import pytest
from starlette import formparsers

from tests.support.providers import Reply
from tests.support.world import AUDIO, World

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
CUID = re.compile(r"c[0-9a-z]{24}")
BOUNDARY = "----WebKitFormBoundaryabcdefghijklmnop"


def form(*parts: tuple[str, bytes]) -> bytes:
    """A multipart body from (headers, content) parts."""
    body = b""
    for headers, content in parts:
        body += f"--{BOUNDARY}\r\n{headers}\r\n\r\n".encode() + content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def audio_part(content: bytes = AUDIO, content_type: str | None = "audio/webm") -> tuple[str, bytes]:
    """The part with the recording."""
    kind = f"\r\nContent-Type: {content_type}" if content_type is not None else ""
    return f'Content-Disposition: form-data; name="audio"; filename="blob"{kind}', content


def field(name: str, value: str) -> tuple[str, bytes]:
    """The part of a text field."""
    return f'Content-Disposition: form-data; name="{name}"', value.encode()


def post(world: World, body: bytes, content_type: str = f"multipart/form-data; boundary={BOUNDARY}") -> httpx.Response:
    """POST a body to /api/sessions as a signed-in learner."""
    with world.client() as client:
        return client.post("/api/sessions", content=body, headers={"content-type": content_type})


def test_upload_stores_and_publishes(world: World) -> None:
    """The row, the object and the message are as documented."""
    body = form(audio_part(AUDIO, "audio/webm;codecs=opus"), field("duration", "12.5"), field("language", "en"))
    answer = post(world, body)

    assert answer.status_code == 201 and answer.headers["content-type"] == "application/json"
    created = answer.json()
    assert list(created) == ["id", "status", "createdAt", "estimatedWaitSecs"]
    assert created["status"] == "UPLOADED" and created["estimatedWaitSecs"] == 30
    assert CUID.fullmatch(created["id"]) and DATE.fullmatch(created["createdAt"])
    row = world.database.session(created["id"])
    assert (row["durationSecs"], row["language"], row["topic"]) == (12, "en", None)
    assert row["audioUrl"] == f"sessions/{row['userId']}/{created['id']}/audio.webm"
    stored = world.storage.client().get_object(Bucket=world.storage.bucket, Key=row["audioUrl"])
    assert (stored["ContentType"], stored["Body"].read()) == ("audio/webm;codecs=opus", AUDIO)
    [message] = world.providers.published
    assert message["body"] == f'{{"sessionId":"{created["id"]}"}}'.encode()
    assert message["url"] == world.settings.process_url
    headers = message["headers"]
    assert headers["upstash-retries"] == "3" and headers["upstash-label"].split(",")[0] == "speaking-session"
    assert headers["upstash-failure-callback"] == world.settings.process_failed_url
    assert ":" not in headers["upstash-deduplication-id"] and headers["content-type"] == "application/json"
    [user] = world.database.rows("SELECT * FROM users")
    assert (user["externalId"], user["email"], user["displayName"]) == ("local-ada", "ada@example.com", "ada")


@pytest.mark.parametrize(
    ("content_type", "ending"),
    [
        ("audio/mp4", "mp4"),
        ("audio/mpeg", "mpeg"),
        ("AUDIO/OGG;codecs=opus", "ogg"),
        ("audio/", "webm"),
        ("audio/;x", "webm"),
    ],
)
def test_key_extension_is_the_mime_subtype(world: World, content_type: str, ending: str) -> None:
    """The subtype without parameters, or webm if it is empty."""
    session_id = world.upload(content_type=content_type)

    assert world.database.session(session_id)["audioUrl"].endswith(f"/audio.{ending}")


D, A = field("duration", "1"), audio_part()


@pytest.mark.parametrize(
    ("parts", "status", "code", "message"),
    [
        ([D], 400, "MISSING_AUDIO", "Audio file is required"),
        ([field("audio", "text"), D], 400, "MISSING_AUDIO", "Audio file is required"),
        ([A], 400, "INVALID_DURATION", "Valid duration is required"),
        *[
            ([A, field("duration", value)], 400, "INVALID_DURATION", "Valid duration is required")
            for value in (
                "",
                " ",
                "abc",
                "-1",
                "0x10",
                "Infinity",
                "NaN",
                "1,5",
                "12 s",
                "9" * 400,
                "2147483648",
                "١",
                "9" * 16_000,
            )
        ],
        ([audio_part(content_type="video/webm"), D], 400, "INVALID_FILE", "File must be an audio file"),
        ([audio_part(content_type=None), D], 400, "INVALID_FILE", "File must be an audio file"),
        ([audio_part(content_type=""), D], 400, "INVALID_FILE", "File must be an audio file"),
        ([audio_part(content_type="audio/" + "x" * 95), D], 400, "INVALID_FILE", "File must be an audio file"),
        ([audio_part(content_type="audio/wébm"), D], 400, "INVALID_FILE", "File must be an audio file"),
        ([audio_part(content_type="video/webm")], 400, "INVALID_DURATION", "Valid duration is required"),
    ],
)
def test_invalid_upload_is_refused(
    world: World, parts: list[tuple[str, bytes]], status: int, code: str, message: str
) -> None:
    """The checks, their order and their errors; nothing is stored."""
    answer = post(world, form(*parts))

    assert (answer.status_code, answer.json()) == (status, {"error": message, "code": code})
    assert world.database.rows("SELECT id FROM speaking_sessions") == [] and world.storage.stored_keys() == []


GOOD = form(A, D)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "multipart/form-data; boundary=x"),
        (b"{}", "application/json"),
        (b"a=b", "application/x-www-form-urlencoded"),
        (GOOD, "multipart/form-data"),
        (GOOD, ""),
        (GOOD[:-10], f"multipart/form-data; boundary={BOUNDARY}"),
        (GOOD[: len(GOOD) // 2], f"multipart/form-data; boundary={BOUNDARY}"),
        (b"\x00" * 1000, f"multipart/form-data; boundary={BOUNDARY}"),
        (form(("X: y", b"no disposition")), f"multipart/form-data; boundary={BOUNDARY}"),
        (form((f"Content-Disposition: form-data; name=\"{'n' * 20_000}\"", b"")), f"multipart/form-data; boundary={BOUNDARY}"),
        (form(*[field(f"f{n}", "v") for n in range(200)]), f"multipart/form-data; boundary={BOUNDARY}"),
    ],
)  # fmt: skip
def test_body_that_is_no_form_is_refused(world: World, body: bytes, content_type: str) -> None:
    """A body that is not multipart, truncated or absurd gets one clear error, and nothing is stored."""
    answer = post(world, body, content_type)

    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "Expected multipart form data", "code": "INVALID_BODY"},
    )
    assert world.storage.stored_keys() == []


@pytest.mark.parametrize("length", [10_001, 100_000, 200_000])
def test_a_long_topic_has_its_own_error_message(world: World, length: int) -> None:
    """Ten thousand characters are stored, however many bytes; one more is refused, like in a direct upload."""
    answer = post(world, form(A, D, field("topic", "t" * length)))

    sentence = "Topic must be text of at most 10,000 characters"
    assert (answer.status_code, answer.json()) == (400, {"error": sentence, "code": "INVALID_BODY"})
    assert world.storage.stored_keys() == []
    longest = post(world, form(A, D, field("topic", "\U0001f3a4" * 10_000)))
    assert len(world.database.session(longest.json()["id"])["topic"]) == 10_000


def test_text_that_no_layer_below_can_hold_is_made_storable(world: World) -> None:
    """NUL, the part separator, and the line separators that Prisma's client would change."""
    answer = post(world, form(A, D, field("topic", "a\x00b\x1ec\u2028d")))

    assert world.database.session(answer.json()["id"])["topic"] == "abc\nd"


def test_another_encoding_of_the_form_is_not_followed(world: World) -> None:
    """Fields are always UTF-8, because a codec chosen by the caller could be slow or change the text."""
    for codec in ("punycode", "idna", "utf-16", "unicode_escape", "no-such"):
        body = form(A, D, field("topic", "\\u0041-äöü"))
        answer = post(world, body, f"multipart/form-data; charset={codec}; boundary={BOUNDARY}")

        assert world.database.session(answer.json()["id"])["topic"] == "\\u0041-äöü"


def test_a_long_recording_is_written_off_the_event_loop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow disk delays only its own upload, because spooled data is written by a worker thread."""
    writers: list[str] = []

    class RecordingFile(SpooledTemporaryFile[bytes]):
        def write(self, s: Any) -> int:
            written = super().write(s)
            if self._rolled:  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
                writers.append(threading.current_thread().name)
            return written

    monkeypatch.setattr(formparsers, "SpooledTemporaryFile", RecordingFile)
    assert post(world, form(audio_part(bytes(3 * 1024 * 1024)), D)).status_code == 201

    assert len(writers) > 3 and all("AnyIO worker" in name for name in writers), set(writers)


def test_size_limit_is_exact(world: World) -> None:
    """52,428,800 bytes are accepted, one more is not."""
    limit = bytes(50 * 1024 * 1024)

    assert post(world, form(audio_part(limit), D)).status_code == 201
    answer = post(world, form(audio_part(limit + b"\x00"), D))
    assert (answer.status_code, answer.json()) == (
        413,
        {"error": "File size exceeds 50MB limit", "code": "INVALID_FILE"},
    )


def test_first_of_repeated_fields_counts(world: World) -> None:
    """Like FormData.get in a browser."""
    body = form(A, D, field("topic", "first"), field("topic", "second"), field("duration", "9"))
    row = world.database.session(post(world, body).json()["id"])

    assert (row["topic"], row["durationSecs"]) == ("first", 1)


def test_first_uploads_of_a_new_user_at_once(world: World) -> None:
    """32 concurrent uploads all succeed, and create one user row."""
    results: list[str] = []
    threads = [threading.Thread(target=lambda: results.append(world.upload("newcomer"))) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(results)) == 32
    assert len(world.database.rows("SELECT id FROM users")) == 1


def test_user_is_never_changed_by_later_uploads(world: World) -> None:
    """The first upload creates the row; another name in a later cookie does not change it."""
    world.upload()
    before = world.database.rows("SELECT * FROM users")
    with world.client(name="Other", email="other@example.com") as client:
        client.post("/api/sessions", files={"audio": ("b", AUDIO, "audio/webm")}, data={"duration": "1"})

    assert world.database.rows("SELECT * FROM users") == before


def test_upload_stands_when_qstash_is_busy(world: World) -> None:
    """If publishing fails temporarily, the recording is stored, and the sweep will publish it."""
    world.providers.qstash.append(Reply(503, {"error": "down"}))
    session_id = world.upload()

    assert world.database.session(session_id)["status"] == "UPLOADED"
    assert len(world.storage.stored_keys()) == 1


def test_upload_stands_when_qstash_refuses_us(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """A revoked token is a configuration error on our side: no recording is lost, and the log names the setting."""
    world.providers.qstash.append(Reply(401, {"error": "unable to authenticate: invalid token"}))
    session_id = world.upload()

    assert world.database.session(session_id)["status"] == "UPLOADED"
    assert len(world.storage.stored_keys()) == 1
    assert '"setting": "QSTASH_TOKEN"' in capfd.readouterr().out
