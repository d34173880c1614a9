"""Cutting an hour of speech: every container, without loss, at pauses, in little memory and time."""

import io
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from math import inf
from pathlib import Path

import numpy
import pytest

from app.adapters.whisper import MAX_FILE_BYTES
from app.audio.cutting import Uncuttable, cut
from app.audio.recording import AudioFile, extension
from app.audio.sound import NotAudio, UnknownContainer
from local.audio import SPEECH_RATE, decode
from local.migrate import ROOT
from local.speech.engine import Speech
from tests.support.recordings import packets, recording, voice

# 82 repetitions of the voice are an hour. Uncompressed formats use fewer, because of the upload limit.
HOUR = 82
# Three minutes, for tests that an hour would not make better.
FEW = 4
TIMES = {"webm": HOUR, "ogg": HOUR, "mp4": HOUR, "m4a": HOUR, "mp3": HOUR, "wav": 10, "flac": 25}


def parts_of(data: bytes, limit_bytes: int = MAX_FILE_BYTES, limit_s: float = inf) -> Iterator[AudioFile]:
    """Cut a recording into parts, by default with Whisper's limit."""
    for part, size_bytes, content_type in cut(io.BytesIO(data), limit_bytes, limit_s):
        yield AudioFile(io.BytesIO(part.file.read()), content_type, size_bytes, "c1")


def parts_of_few(name: str) -> list[AudioFile]:
    """Cut a shorter recording into two parts, with a lower limit."""
    data = recording(name, FEW)
    parts = list(parts_of(data, len(data) * 2 // 3))
    assert len(parts) == 2
    return parts


@pytest.mark.parametrize(
    "name", [name if name == "webm" else pytest.param(name, marks=pytest.mark.thorough) for name in TIMES]
)
def test_every_packet_is_in_one_part_and_in_order(name: str) -> None:
    """Nothing is re-encoded, lost or duplicated; each part is a file that Whisper accepts, with the right extension."""
    found = b""
    sizes: list[int] = []
    for part in parts_of(recording(name, TIMES[name])):
        data = part.file.read()
        assert len(data) == part.size_bytes <= MAX_FILE_BYTES
        assert part.filename.endswith(f".{extension(part.content_type)}")
        found += packets(data)
        sizes.append(part.size_bytes)

    assert found == packets(recording(name, TIMES[name]))
    assert len(sizes) == 2 and max(sizes) < 1.2 * min(sizes)


@pytest.mark.parametrize("name", TIMES)
def test_cuts_are_at_pauses(name: str) -> None:
    """The tenth of a second on each side of a cut is quiet."""
    sounds = [decode(part.file) for part in parts_of_few(name)]
    speaking = float(numpy.abs(voice(SPEECH_RATE)).mean())
    around = SPEECH_RATE // 10
    edges = [numpy.concatenate([a[-around:], b[:around]]) for a, b in pairwise(sounds)]

    assert len(edges) == 1
    assert float(numpy.abs(edges[0]).mean()) < speaking / 4


@pytest.mark.thorough
def test_no_word_is_lost_or_doubled_at_a_cut() -> None:
    """The voice around a cut is transcribed as completely as without it, within two words."""
    speech = Speech()
    whole = voice(SPEECH_RATE)
    words = len(speech.transcribe(whole).split())
    before, after = (decode(part.file) for part in parts_of_few("webm"))
    # The repetition that contains the cut.
    head = before[len(before) // len(whole) * len(whole) :]
    tail = after[: len(whole) - len(head)]

    assert abs(len(speech.transcribe(head).split()) + len(speech.transcribe(tail).split()) - words) <= 2


def test_the_same_recording_is_cut_at_the_same_places() -> None:
    """A retry must be able to continue with part two."""
    first, again = ([part.file.read() for part in parts_of_few("webm")] for _ in range(2))

    assert [packets(part) for part in first] == [packets(part) for part in again]


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    """An hour is cut within 32 MB beyond the media library itself."""
    path = tmp_path / "hour.webm"
    path.write_bytes(recording("webm", HOUR))
    script = f"""
import resource
from app.audio.cutting import cut
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open({str(path)!r}, "rb") as file:
    for part in cut(file, {MAX_FILE_BYTES}):
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    grown = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert int(grown) < 32 * 1024


def test_the_service_never_loads_the_media_library() -> None:
    """Importing the application, its adapters and its pipeline imports no PyAV."""
    script = "import sys, app.application, app.audio.media, app.recordings.transcription; sys.exit('av' in sys.modules)"

    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


@pytest.mark.parametrize("name", [name for name in TIMES if name != "m4a"])
def test_a_truncated_recording_keeps_its_complete_part(name: str) -> None:
    """A recording without its end is better than none; the broken packet at the end is left out."""
    data = recording(name, FEW)
    whole = packets(data)
    found = b"".join(packets(part.file.read()) for part in parts_of(data[: int(len(data) * 0.8) + 3], len(data) // 2))

    assert whole.startswith(found) or name in ("wav", "flac")
    assert 0.75 * len(whole) < len(found) < 0.81 * len(whole)


def test_nothing_is_left_of_an_mp4_without_its_index() -> None:
    """The index of a plain MP4 comes last."""
    data = recording("m4a", FEW)

    with pytest.raises(NotAudio):
        list(parts_of(data[: len(data) * 9 // 10]))


@pytest.mark.parametrize("name", TIMES)
def test_parts_are_short_enough_as_well(name: str) -> None:
    """A model may have a limit in seconds: no part is longer, and all parts have about the same length."""
    data = recording(name, FEW)
    seconds = [len(decode(part.file)) / SPEECH_RATE for part in parts_of(data, limit_s=42)]

    assert len(seconds) == 5
    assert max(seconds) <= 42 and max(seconds) < 1.2 * min(seconds)
    assert abs(sum(seconds) - FEW * len(voice(SPEECH_RATE)) / SPEECH_RATE) < 2


def test_a_limit_that_would_need_thousands_of_parts_is_refused() -> None:
    """Each part is a paid call."""
    with pytest.raises(Uncuttable):
        list(parts_of(recording("webm", FEW), limit_s=0.4))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 1000,
        b"not a recording " * 1000,
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n",
        b"ffconcat version 1.0\nfile /etc/hostname\n",
        b"\x1aE\xdf\xa3" + bytes(range(256)) * 40,
        b"RIFF\xff\xff\xff\x7fWAVE" + b"\xff" * 1000,
        b"OggS" + b"\xff" * 1000,
        b"\0\0\0\x20ftypmp42" + b"\xff" * 1000,
        b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + b"\xff\xfb" * 500,
    ],
    ids=["empty", "zeros", "text", "playlist", "concat", "webm", "wav", "ogg", "mp4", "mp3"],
)
def test_an_invalid_recording_is_refused(data: bytes) -> None:
    """Playlists that refer to other files are never followed."""
    with pytest.raises(NotAudio):
        list(parts_of(data))


def test_an_unknown_container_has_its_own_error() -> None:
    """AAC without a container is a recording; the error tells the learner which containers can be cut."""
    frame = b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(9)

    with pytest.raises(UnknownContainer):
        list(parts_of(frame * 5000))


@pytest.mark.soak
def test_an_hour_is_transcribed_completely() -> None:
    """The parts together have as many words as the repetitions of the voice, within 1 %."""
    speech = Speech()
    words = len(speech.transcribe(voice(SPEECH_RATE)).split())
    written = 0
    for number, part in enumerate(parts_of(recording("webm", HOUR)), 1):
        written += len(speech.transcribe(decode(part.file)).split())
        print(f"part {number}: {written} words so far")

    assert abs(written - HOUR * words) <= HOUR * words / 100
