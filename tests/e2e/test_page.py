"""The page in a real browser: record, watch, read, delete; as a learner, by keyboard, and as a screen reader hears it."""

import base64
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from local.audio import OPUS_RATE, as_mp4, decode, human_voice
from local.stack import Stack
from tests.support.browser import browser, chromium, record, sign_in, voice_file, wait_for_clock

# Of the recording's first half minute.
WORDS = ("best of times", "age of wisdom", "age of foolishness")
DONE_S = 60
PHONE, DESK = {"width": 390, "height": 800}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Generator[Browser, None, None]:
    """Chromium, once for all."""
    with browser(chromium(), voice_file(tmp_path_factory.mktemp("microphone"))) as running:
        yield running


@pytest.fixture
def context(chrome: Browser) -> Generator[BrowserContext, None, None]:
    """A fresh profile. Errors of the page's scripts fail the test."""
    errors: list[str] = []
    context = chrome.new_context(viewport=DESK)  # pyright: ignore[reportArgumentType]  # a size
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context
    context.close()
    assert errors == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page in it."""
    return context.new_page()


def wait_until_done(page: Page) -> list[str]:
    """The states that the page shows on the way to DONE."""
    seen: list[str] = []
    for _ in range(DONE_S * 10):
        status = page.locator("#session").get_attribute("data-status")
        if status and status not in seen:
            seen.append(status)
        if status in ("DONE", "FAILED"):
            return seen
        page.wait_for_timeout(100)
    raise AssertionError(f"not finished: {seen}")


def drop(page: Page, name: str, content: bytes, content_type: str) -> None:
    """Drop a file onto the page, as from a file manager."""
    page.evaluate(
        """([name, type, base64]) => {
            const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], name, { type }));
            const event = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
            document.getElementById("drop").dispatchEvent(event);
        }""",
        [name, content_type, base64.b64encode(content).decode()],
    )


def test_what_a_browser_records_becomes_insights(stack: Stack, page: Page) -> None:
    """Microphone, level, clock, upload, the states in order, the words that were said, marks, chart; then delete."""
    sign_in(page, stack.url, "Ada")
    record(page, 1)
    levels: set[int] = set()
    for second in range(2, 16):
        wait_for_clock(page, second)
        levels.add(int(page.locator("#level").get_attribute("aria-valuenow") or 0))
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#review-text")).to_contain_text("recording.webm")
    page.get_by_label("Topic").fill("A tale")
    page.get_by_role("button", name="Send").click()
    seen = wait_until_done(page)

    assert len(levels) > 3 and max(levels) > 20
    assert seen[-1] == "DONE" and seen == [s for s in ("UPLOADED", "TRANSCRIBING", "ANALYZING", "DONE") if s in seen]
    transcript = page.locator("#transcript").inner_text().lower()
    assert sum(words in transcript for words in WORDS) >= 2, transcript
    assert page.locator("#transcript mark").count() >= 1
    # How many habits a quarter of a minute shows depends on what was heard.
    assert page.locator("[id^=insight-]").count() >= 1
    expect(page.get_by_role("heading", name="Focus for next time")).to_be_visible()
    expect(page.locator("#chart svg[role=img]")).to_be_visible()
    expect(page.locator("#recordings li")).to_have_count(1)
    # What a stand-in made says so.
    expect(page.get_by_text("Stand-in: Moonshine tiny, not Whisper")).to_be_visible()
    expect(page.get_by_text("Stand-in: grammar rules and counting, not Claude")).to_be_visible()

    page.get_by_role("button", name="Delete A tale").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("None yet.")).to_be_visible()
    expect(page.locator("#session")).to_be_hidden()
    assert page.request.get(f"{stack.url}/api/sessions").json()["total"] == 0


def test_what_safari_records_becomes_insights(stack: Stack, page: Page) -> None:
    """A dropped recording in fragmented MP4 with AAC, as Safari's MediaRecorder writes it; the session has its own address."""
    samples = decode(human_voice(), OPUS_RATE)[: 15 * OPUS_RATE]
    sign_in(page, stack.url, "Bea")
    drop(page, "recording.mp4", as_mp4(samples), "video/mp4")
    expect(page.locator("#review-text")).to_contain_text("recording.mp4 · 0:1")
    page.get_by_role("button", name="Send").click()

    assert wait_until_done(page)[-1] == "DONE"
    assert WORDS[0] in page.locator("#transcript").inner_text().lower()
    page.reload()
    expect(page.locator("#transcript")).to_contain_text("times")


def test_errors_are_sentences_with_their_code(stack: Stack, page: Page) -> None:
    """What the service refuses, what it cannot read, and what it cannot be asked."""
    sign_in(page, stack.url, "Cem")
    drop(page, "notes.txt", b"no audio", "text/plain")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("File must be an audio file. INVALID_FILE")
    page.get_by_role("button", name="Discard").click()

    drop(page, "noise.webm", b"no audio either " * 50, "audio/webm")
    page.get_by_role("button", name="Send").click()
    assert wait_until_done(page)[-1] == "FAILED"
    expect(page.locator("#session .problem")).to_have_text("The recording could not be read as audio. FAILED")

    expect(page.locator("#recordings .badge")).to_have_text("Failed")
    page.context.clear_cookies()
    page.get_by_role("button", name="Delete").first.click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Unauthorized. UNAUTHORIZED")
    expect(page.get_by_label("Your name")).to_be_visible()


def test_everything_works_by_keyboard(stack: Stack, page: Page) -> None:
    """Sign in, record, stop, discard, without a mouse; the focus is always where one goes on."""
    page.goto(stack.url)
    expect(page.get_by_label("Your name")).to_be_focused()
    page.keyboard.type("Dee")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Start recording")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Stop")).to_be_focused()
    page.wait_for_timeout(300)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Send")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Start recording")).to_be_focused()
    expect(page.get_by_role("status")).to_have_text("Recording discarded")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_accessible_in_each_state(
    stack: Stack, chrome: Browser, scheme: str, size: dict[str, int], tmp_path: Path
) -> None:
    """No violation of axe's rules before signing in, while recording, on review, and with results; nothing to scroll sideways."""
    # The rules are put into the page by a script, which the page's own policy forbids.
    context = chrome.new_context(viewport=size, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")  # pyright: ignore[reportArgumentType]
    page = context.new_page()
    found: dict[str, list[str]] = {}

    def check(state: str) -> None:
        results: Any = Axe().run(page)  # pyright: ignore[reportUnknownMemberType]  # it has no types
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found[state] = [each["id"] for each in results.response["violations"]] + (["scrolls sideways"] if wide else [])

    page.goto(stack.url)
    page.get_by_label("Your name").wait_for()
    check("sign in")
    sign_in(page, stack.url, f"Eve {scheme} {size['width']}")
    record(page, 1)
    check("recording")
    page.get_by_role("button", name="Stop").click()
    check("review")
    page.get_by_role("button", name="Discard").click()
    samples = decode(human_voice(), OPUS_RATE)[: 10 * OPUS_RATE]
    drop(page, "recording.mp4", as_mp4(samples), "audio/mp4")
    page.get_by_role("button", name="Send").click()
    assert wait_until_done(page)[-1] == "DONE"
    expect(page.locator("#chart svg[role=img]")).to_be_visible()
    check("results")
    page.get_by_role("button", name="Delete").first.click()
    check("dialog")
    context.close()

    assert found == {state: [] for state in ("sign in", "recording", "review", "results", "dialog")}
