"""Debian's Chromium with a fake microphone that plays a human recording, and common actions in the page."""

import base64
import os
import shutil
import wave
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from local.audio import OPUS_RATE, decode, human_voice


def chromium() -> str:
    """The path of the browser. Without one the test is skipped, or fails in CI."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        reason = "Chromium is not installed: on Debian, apt install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def voice_file(directory: Path) -> Path:
    """Write the human voice to the file that Chromium's fake microphone plays."""
    path = directory / "microphone.wav"
    samples = decode(human_voice(), OPUS_RATE)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(OPUS_RATE)
        out.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


# The time that a slow machine needs for a minute of speech.
PROCESSED_S = 90
DESK, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=390, height=800)


@contextmanager
def browser(program: str, microphone: Path) -> Generator[Browser, None, None]:
    """A browser whose microphone needs no permission and plays ``microphone`` from the start each time it is opened."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=program,
            chromium_sandbox=os.getuid() != 0,
            args=[
                *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update", "--disable-sync"),
                "--disable-background-networking",
                *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
                f"--use-file-for-fake-audio-capture={microphone}",
            ],
        )
        try:
            yield running
        finally:
            running.close()


def sign_in(page: Page, url: str, name: str) -> None:
    """Open the page and sign in as ``name``."""
    page.goto(url)
    page.get_by_label("Your name").fill(name)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Start recording").wait_for()


def record(page: Page, seconds: int) -> None:
    """Record the microphone for ``seconds``, by the page's own clock."""
    page.get_by_role("button", name="Start recording").click()
    wait_for_clock(page, seconds)


def wait_for_clock(page: Page, seconds: int) -> None:
    """Wait until the page's own clock shows ``seconds``, at most a minute."""
    # The page's policy forbids evaluating strings, so wait_for_function does not work and the clock is polled.
    for _ in range(600):
        if page.locator("#clock").inner_text() >= f"0:{seconds:02}":
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"not recording: {page.locator('#record-problem').inner_text()}")


def wait_for_status(page: Page, *wanted: str) -> list[str]:
    """Wait for one of the ``wanted`` states, and return all states that the open session has shown."""
    seen: list[str] = []
    for _ in range(PROCESSED_S * 10):
        status = page.locator("#session").get_attribute("data-status")
        if status and status not in seen:
            seen.append(status)
        if status in wanted:
            return seen
        page.wait_for_timeout(100)
    raise AssertionError(f"not {wanted}: {seen}")


def send(page: Page, topic: str = "") -> None:
    """Send the recording under review and wait until its session is open."""
    page.get_by_label("Topic").fill(topic)
    shown = page.url
    page.get_by_role("button", name="Send", exact=True).click()
    for _ in range(300):
        if page.url != shown:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"not sent: {page.locator('#record-problem').inner_text()}")


def send_sample(page: Page) -> None:
    """Send the sample recording and wait for its results."""
    page.get_by_role("button", name="Try the sample recording").click()
    page.locator("#review-text").get_by_text("sample.ogg").wait_for()
    send(page, page.get_by_label("Topic").input_value())
    assert wait_for_status(page, "DONE", "FAILED")[-1] == "DONE"


def drop(page: Page, name: str, content: bytes, content_type: str, selector: str = "body") -> bool:
    """Drop a file onto an element. Returns whether the browser would have left the page."""
    left: bool = page.evaluate(
        """([name, type, base64, selector]) => {
            const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], name, { type }));
            const send = (kind) => document.querySelector(selector)
                .dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
            return [send("dragover"), send("drop")].some(Boolean);
        }""",
        [name, content_type, base64.b64encode(content).decode(), selector],
    )
    return left
