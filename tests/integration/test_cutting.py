"""Cutting an hour of speech: every container, nothing lost, at pauses, in little memory."""

import io
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy
import pytest

from app.adapters.whisper import MAX_FILE_BYTES
from app.errors import Permanent
from app.recordings.cutting import CUT_OFF, NOT_AUDIO, cut
from app.recordings.recording import Audio, extension
from local.audio import SPEECH_RATE, decode
from local.migrate import ROOT
from local.speech.engine import Speech
from tests.support.recordings import TYPES, packets, recording, voice

# 82 times the voice are an hour; without compression that would be more than may be uploaded.
HOUR = 82
# Where an hour would show nothing more, seven minutes have to do.
FEW = 10
TIMES = {"webm": HOUR, "ogg": HOUR, "mp4": HOUR, "m4a": HOUR, "mp3": HOUR, "wav": 10, "flac": 25}


def audio(name: str, data: bytes) -> Audio:
    """A stored recording."""
    return Audio(io.BytesIO(data), TYPES.get(name, f"audio/{name}"), len(data), "c1")


def parts_of(name: str) -> Iterator[Audio]:
    """The parts of a recording that is too long for Whisper."""
    return cut(audio(name, recording(name, TIMES[name])), MAX_FILE_BYTES)


def parts_of_few(name: str) -> list[Audio]:
    """Two parts of a shorter one, under a lower limit. They stay open."""
    data = recording(name, FEW)
    parts = [replace(part, file=io.BytesIO(part.file.read())) for part in cut(audio(name, data), len(data) * 2 // 3)]
    assert len(parts) == 2
    return parts


@pytest.mark.parametrize("name", TIMES)
def test_every_packet_is_in_one_part_and_in_order(name: str) -> None:
    """Nothing is encoded anew, lost or doubled; each part is a file that Whisper takes, with its own ending."""
    found = b""
    sizes: list[int] = []
    for part in parts_of(name):
        data = part.file.read()
        assert len(data) == part.size_bytes <= MAX_FILE_BYTES
        assert part.filename.endswith(f".{extension(part.content_type)}")
        found += packets(data)
        sizes.append(part.size_bytes)

    assert found == packets(recording(name, TIMES[name]))
    assert len(sizes) == 2 and max(sizes) < 1.2 * min(sizes)


@pytest.mark.parametrize("name", TIMES)
def test_cuts_are_at_pauses(name: str) -> None:
    """A tenth of a second on each side of a cut is quiet."""
    sounds = [decode(part.file) for part in parts_of_few(name)]
    speaking = float(numpy.abs(voice(SPEECH_RATE)).mean())
    around = SPEECH_RATE // 10
    edges = [numpy.concatenate([a[-around:], b[:around]]) for a, b in pairwise(sounds)]

    assert len(edges) == 1
    assert float(numpy.abs(edges[0]).mean()) < speaking / 4


def test_no_word_is_lost_or_doubled_at_a_cut() -> None:
    """The voice before and after each cut is written down as often as without it, to a word or two in a hundred."""
    speech = Speech()
    whole = voice(SPEECH_RATE)
    words = len(speech.transcribe(whole).split())
    before, after = (decode(part.file) for part in parts_of_few("webm"))
    # The repetition in which the cut is.
    head = before[len(before) // len(whole) * len(whole) :]
    tail = after[: len(whole) - len(head)]

    assert abs(len(speech.transcribe(head).split()) + len(speech.transcribe(tail).split()) - words) <= 2


def test_the_same_recording_is_cut_at_the_same_places() -> None:
    """A retry must be able to go on with part two."""
    first, again = ([part.file.read() for part in parts_of_few("webm")] for _ in range(2))

    assert [packets(part) for part in first] == [packets(part) for part in again]


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    """An hour is cut within 32 MB beyond the media library itself."""
    path = tmp_path / "hour.webm"
    path.write_bytes(recording("webm", HOUR))
    script = f"""
import resource, av
from app.recordings.recording import Audio
from app.recordings.cutting import cut
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open({str(path)!r}, "rb") as file:
    for part in cut(Audio(file, "audio/webm", {path.stat().st_size}, "c1"), {MAX_FILE_BYTES}):
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    grown = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert int(grown) < 32 * 1024


def test_a_short_recording_never_loads_the_media_library() -> None:
    """Importing the application and its pipeline imports no PyAV."""
    script = "import sys, app.application, app.recordings.cutting, app.recordings.transcription; sys.exit('av' in sys.modules)"

    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


@pytest.mark.parametrize("name", [name for name in TIMES if name != "flac"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_recording_cut_off_in_the_middle_is_refused(name: str, kept: float) -> None:
    """Rather than losing the rest of the session without a word."""
    data = recording(name, TIMES[name])

    with pytest.raises(Permanent) as refused:
        list(cut(audio(name, data[: int(len(data) * kept) + 3]), MAX_FILE_BYTES))
    assert refused.value.message in (CUT_OFF, NOT_AUDIO)
    # Of a plain MP4 the index comes last, and nothing is left without it.
    assert refused.value.message == CUT_OFF or name == "m4a"


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
def test_what_is_no_recording_is_refused(data: bytes) -> None:
    """With a sentence of ours; and a list of other files is never followed."""
    with pytest.raises(Permanent):
        list(cut(audio("webm", data), MAX_FILE_BYTES))


@pytest.mark.soak
def test_an_hour_is_written_down_whole() -> None:
    """Every word of an hour, part by part, is as many as its repetitions have, within 1 %."""
    speech = Speech()
    words = len(speech.transcribe(voice(SPEECH_RATE)).split())
    written = 0
    for number, part in enumerate(parts_of("webm"), 1):
        written += len(speech.transcribe(decode(part.file)).split())
        print(f"part {number}: {written} words so far")

    assert abs(written - HOUR * words) <= HOUR * words / 100
