"""What the tests of the frontend share: a stack, the site in front of it, a browser with a microphone."""

import io
import wave
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from local.audio import OPUS_RATE, decode, human_voice
from tests.support.browser import browser, chromium, voice_file

RATE, CHANNELS, SAMPLE_BYTES = 2 * OPUS_RATE, 2, 4


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Generator[Browser, None, None]:
    """Chromium, once for each file."""
    with browser(chromium(), voice_file(tmp_path_factory.mktemp("microphone"))) as running:
        yield running


@pytest.fixture
def new_page(chrome: Browser) -> Generator[Callable[[], Page], None, None]:
    """Opens pages in profiles of their own. Errors of the site's scripts fail the test."""
    contexts, errors = list[BrowserContext](), list[str]()

    def open_page() -> Page:
        context = chrome.new_context()
        context.on("weberror", lambda error: errors.append(str(error.error)))
        contexts.append(context)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Makes a WAV file of so many megabytes: the human voice, at a rate that makes large files of little speech."""
    directory = tmp_path_factory.mktemp("recordings")

    def make(megabytes: int) -> Path:
        path = directory / f"{megabytes}.wav"
        samples = np.repeat(decode(human_voice(), OPUS_RATE), RATE // OPUS_RATE * CHANNELS)
        count = megabytes * 1_000_000 // SAMPLE_BYTES
        content = (np.resize(samples, count) * (2**31 - 129)).astype("<i4").tobytes()
        with io.BytesIO() as out, wave.open(out, "wb") as file:
            file.setnchannels(CHANNELS)
            file.setsampwidth(SAMPLE_BYTES)
            file.setframerate(RATE)
            file.writeframes(content)
            path.write_bytes(out.getvalue())
        return path

    return make
