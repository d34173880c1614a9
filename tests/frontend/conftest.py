"""Shared fixtures of the frontend tests: a browser with a microphone, and large recordings."""

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
    """Chromium, one per module."""
    with browser(chromium(), voice_file(tmp_path_factory.mktemp("microphone"))) as running:
        yield running


@pytest.fixture
def new_page(chrome: Browser) -> Generator[Callable[[], Page], None, None]:
    """Opens pages, each in its own profile. Script errors of the site fail the test."""
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
    """Creates a WAV file of the given size: the human voice, in a format that makes large files from little speech."""
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
