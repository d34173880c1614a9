"""Speech to text with Moonshine (tiny, English). Its voice-activity detection avoids made-up words for silence."""

import threading

from moonshine_voice import ModelArch, Transcriber
from moonshine_voice.utils import get_model_path

from local.audio import SPEECH_RATE, Samples

# Long recordings are passed to Moonshine in pieces of this length, to limit its memory use.
WINDOW_S = 60 * 5


class Speech:
    """The model, loaded once; one transcription at a time."""

    def __init__(self) -> None:
        self._transcriber = Transcriber(get_model_path("tiny-en"), ModelArch.TINY)
        self._lock = threading.Lock()

    def transcribe(self, samples: Samples) -> str:
        """Return the words in ``samples`` (16 kHz); empty for silence."""
        window = WINDOW_S * SPEECH_RATE
        with self._lock:
            texts = [self._window(samples[start : start + window]) for start in range(0, len(samples), window)]
        return " ".join(text for text in texts if text)

    def _window(self, samples: Samples) -> str:
        lines = self._transcriber.transcribe_without_streaming(samples.tolist(), SPEECH_RATE).lines
        return " ".join(line.text.strip() for line in lines if line.text.strip())
