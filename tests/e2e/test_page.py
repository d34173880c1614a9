"""The page in a real browser: record, watch, read and delete; with mouse and keyboard; and its accessibility."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from local.audio import OPUS_RATE, as_mp4, decode, human_voice
from local.stack import Stack
from tests.support.browser import (
    DESK,
    PHONE,
    drop,
    record,
    send,
    send_sample,
    sign_in,
    wait_for_clock,
    wait_for_status,
)

# Words from the recording's first half minute.
WORDS = ("best of times", "age of wisdom", "age of foolishness")
ONE_ROW_PX = 64


@pytest.mark.thorough
def test_what_a_browser_records_becomes_insights(stack: Stack, page: Page) -> None:
    """Recording with level and clock, upload, states in order, the spoken words, marks and chart; then deletion."""
    sign_in(page, stack.url, "Ada")
    expect(page.get_by_role("heading", name="How it works")).to_be_visible()
    record(page, 1)
    levels: set[int] = set()
    for second in range(2, 16):
        wait_for_clock(page, second)
        levels.add(int(page.locator("#level").get_attribute("aria-valuenow") or 0))
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#review-text")).to_contain_text("recording.webm")
    send(page, "A tale")
    seen = wait_for_status(page, "DONE", "FAILED")

    assert len(levels) > 3 and max(levels) > 20
    assert seen[-1] == "DONE" and seen == [s for s in ("UPLOADED", "TRANSCRIBING", "ANALYZING", "DONE") if s in seen]
    transcript = page.locator("#transcript").inner_text().lower()
    assert sum(words in transcript for words in WORDS) >= 2, transcript
    assert page.locator("#transcript mark").count() >= 1
    # The number of habits in a quarter of a minute depends on the transcription.
    assert page.locator("[id^=insight-]").count() >= 1
    expect(page.get_by_role("heading", name="Focus for next time")).to_be_visible()
    expect(page.locator("#chart svg[role=img]")).to_be_visible()
    expect(page.locator("#recordings li")).to_have_count(1)
    expect(page.get_by_role("heading", name="How it works")).to_be_hidden()
    # Results of stand-ins are labelled.
    expect(page.get_by_text("Stand-in: Moonshine tiny, not Whisper")).to_be_visible()
    expect(page.get_by_text("Stand-in: grammar rules and counting, not Claude")).to_be_visible()

    page.get_by_role("button", name="Delete A tale").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("None yet.")).to_be_visible()
    expect(page.locator("#session")).to_be_hidden()
    expect(page.locator("#chart svg[role=img]")).to_have_count(0)
    assert page.request.get(f"{stack.url}/api/sessions").json()["total"] == 0


@pytest.mark.thorough
def test_what_safari_records_becomes_insights(stack: Stack, page: Page) -> None:
    """A dropped recording in fragmented MP4 with AAC, as from Safari's MediaRecorder; the session has its own URL."""
    samples = decode(human_voice(), OPUS_RATE)[: 15 * OPUS_RATE]
    sign_in(page, stack.url, "Bea")
    drop(page, "recording.mp4", as_mp4(samples), "video/mp4")
    expect(page.locator("#review-text")).to_contain_text("recording.mp4 · 0:1")
    send(page)

    assert wait_for_status(page, "DONE", "FAILED")[-1] == "DONE"
    assert WORDS[0] in page.locator("#transcript").inner_text().lower()
    page.reload()
    expect(page.locator("#transcript")).to_contain_text("times")


@pytest.mark.thorough
def test_a_pause_is_not_recorded(stack: Stack, page: Page) -> None:
    """The clock stops while paused, and the recording is as long as the clock shows."""
    sign_in(page, stack.url, "Cleo")
    record(page, 2)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status")).to_have_text("Recording paused")
    paused_at = page.locator("#clock").inner_text()
    began = page.evaluate("performance.now()")
    while page.evaluate("performance.now()") - began < 2500:
        assert page.locator("#clock").inner_text() == paused_at
    page.get_by_role("button", name="Resume").click()
    wait_for_clock(page, int(paused_at[-2:]) + 2)
    page.get_by_role("button", name="Stop").click()

    expect(page.locator("#review-text")).to_contain_text("recording.webm")
    clocked = page.locator("#review-text").inner_text().split(" · ")[1]
    assert clocked in (f"0:{int(paused_at[-2:]) + 2:02}", f"0:{int(paused_at[-2:]) + 3:02}")


def test_everything_works_by_keyboard(stack: Stack, page: Page) -> None:
    """Sign in, record, stop and discard without a mouse; the focus is always on the next control."""
    page.goto(stack.url)
    expect(page.get_by_label("Your name")).to_be_focused()
    page.keyboard.type("Dee")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Start recording")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Stop")).to_be_focused()
    wait_for_clock(page, 1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Send")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Start recording")).to_be_focused()
    expect(page.get_by_role("status")).to_have_text("Recording discarded")


@pytest.mark.thorough
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_accessible_in_each_state(stack: Stack, chrome: Browser, scheme: Any, size: ViewportSize) -> None:
    """No state violates axe's rules or scrolls sideways, and the header takes one row."""
    # axe injects a script, which the page's own policy forbids.
    context = chrome.new_context(viewport=size, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce")
    page = context.new_page()
    found: dict[str, list[str]] = {}

    def check(state: str) -> None:
        results: Any = Axe().run(page)  # pyright: ignore[reportUnknownMemberType]  # it has no types
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found[state] = [each["id"] for each in results.response["violations"]] + (["scrolls sideways"] if wide else [])

    page.goto(stack.url)
    page.get_by_label("Your name").wait_for()
    check("sign in")
    sign_in(page, stack.url, f"Evangeline {scheme} {size['width']}")
    expect(page.get_by_role("heading", name="How it works")).to_be_visible()
    check("empty")
    header: Any = page.locator("header").bounding_box()
    drop(page, "notes.txt", b"no audio", "text/plain")
    expect(page.locator("#record-problem p")).to_be_visible()
    check("problem")
    record(page, 1)
    check("recording")
    page.get_by_role("button", name="Pause").click()
    check("paused")
    page.get_by_role("button", name="Stop").click()
    check("review")
    page.get_by_role("button", name="Discard").click()
    send_sample(page)
    expect(page.locator("#chart svg[role=img]")).to_be_visible()
    check("results")
    send_sample(page)
    expect(page.get_by_role("heading", name="Compared with your last recording")).to_be_visible()
    page.get_by_text("Show as a table").click()
    check("comparison")
    drop(page, "noise.webm", b"no audio either " * 50, "audio/webm")
    send(page)
    assert wait_for_status(page, "DONE", "FAILED")[-1] == "FAILED"
    check("failed")
    page.get_by_role("button", name="Delete").first.click()
    check("dialog")
    context.close()

    assert header["height"] < ONE_ROW_PX or size is DESK
    assert len(found) == 10 and found == {state: [] for state in found}
