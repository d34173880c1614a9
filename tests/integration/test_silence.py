"""Recordings without speech: silence is distinguished from a quiet voice, and fails the session."""

from collections.abc import Callable

import numpy
import pytest

from app.audio.silence import is_silent
from local.audio import OPUS_RATE, Samples, as_mp4, as_webm
from tests.integration.test_media import media, stored
from tests.support.providers import Reply
from tests.support.recordings import recording, voice
from tests.support.world import World


def noise(db: float) -> Samples:
    """Twenty seconds of noise."""
    random = numpy.random.default_rng(1)
    return random.normal(0, 10 ** (db / 20), 20 * OPUS_RATE).astype(numpy.float32)


def pause_around_a_word(db: float) -> Samples:
    """A second of voice changed by ``db``, in twenty seconds of noise at -75 dB."""
    samples = noise(-75)
    samples[10 * OPUS_RATE : 11 * OPUS_RATE] += voice()[3 * OPUS_RATE : 4 * OPUS_RATE] * 10 ** (db / 20)
    return samples


@pytest.mark.anyio
@pytest.mark.parametrize("encoded", [as_webm, as_mp4])
@pytest.mark.parametrize(
    ("samples", "silent"),
    [
        (lambda: numpy.zeros(20 * OPUS_RATE, numpy.float32), True),
        (lambda: noise(-80), True),
        (lambda: noise(-45), True),
        (lambda: numpy.zeros(5 * OPUS_RATE, numpy.float32), False),
        (lambda: voice(), False),
        (lambda: voice() * 0.01, False),
        (lambda: pause_around_a_word(0), False),
        (lambda: pause_around_a_word(-30), False),
    ],
    ids=["muted", "faint hiss", "hiss", "muted but short", "voice", "voice 40 dB down", "a word", "a word 30 dB down"],
)
async def test_silence_is_distinguished_from_a_quiet_voice(
    encoded: Callable[[Samples], bytes], samples: Callable[[], Samples], silent: bool
) -> None:
    """A muted microphone and steady noise are silence; a voice at a hundredth of its amplitude is not."""
    audio = stored(encoded(samples()))
    with audio.file:
        sound = await media().loudness(audio)

    assert is_silent(sound) is silent


MUTED = as_webm(numpy.zeros(15 * OPUS_RATE, numpy.float32))


@pytest.mark.parametrize(
    ("content", "text", "status"),
    [(MUTED, "Thank you.", 489), (recording("webm", 1), "Thank you.", 200), (b"no recording", "Thank you.", 200)],
    ids=["muted", "voice", "unreadable"],
)
def test_words_transcribed_from_silence_are_discarded(world: World, content: bytes, text: str, status: int) -> None:
    """Whisper's "Thank you." for a muted microphone is not speech; the same words are kept if there is sound."""
    world.providers.whisper.append(Reply(body={"text": text}))
    session_id = world.upload(content=content)

    assert world.deliver(session_id).status_code == status
    row = world.database.session(session_id)
    assert (row["status"] == "DONE") is (status == 200)
    assert status == 200 or row["errorMessage"].startswith("No speech was detected")
