"""How the page shows finished sessions: playback, numbers, comparison, chart and downloads."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, FilePayload, Page, expect

from local.stack import Stack
from tests.support.browser import PHONE, send_sample, sign_in

pytestmark = pytest.mark.thorough

# Longer than the interval in which the list refreshes itself.
REFRESHED_MS = 30_000
LONG_TOPIC = "The trip that my friends and I have planned for the summer after next, if the weather allows it " * 3


@pytest.fixture
def done(stack: Stack, page: Page) -> dict[str, Any]:
    """The session of the sample, open in the page, as returned by the service."""
    sign_in(page, stack.url, "Ada")
    send_sample(page)
    return fetch(page, stack, page.url.split("=")[1])


def fetch(page: Page, stack: Stack, session_id: str) -> dict[str, Any]:
    """A session as returned by the service."""
    session: dict[str, Any] = page.request.get(f"{stack.url}/api/sessions/{session_id}").json()
    return session


def test_the_sample_is_a_learner_whose_habits_are_found(done: dict[str, Any], page: Page) -> None:
    """At least three insights, the pace, reference numbers that do not split words, and marked cuts in quotations."""
    text: str = done["transcript"]["text"]
    pace = round(60 * done["transcript"]["wordCount"] / done["durationSecs"])
    shown: dict[str, Any] = page.evaluate(
        """() => {
            const copy = document.getElementById("transcript").cloneNode(true);
            const numbers = [...copy.querySelectorAll(".reference")];
            const torn = numbers.filter((each) => {
                const line = each.closest(".unbroken");
                const next = line?.nextSibling?.textContent ?? " ";
                return !line || /^[.,;:!?]/.test(next);
            });
            numbers.forEach((each) => each.remove());
            return { text: copy.textContent, numbers: numbers.length, torn: torn.length };
        }"""
    )

    assert len(done["insights"]) >= 3 and "mountain" in text
    assert shown == {"text": text, "numbers": shown["numbers"], "torn": 0} and shown["numbers"] >= 3
    expect(page.locator("#session .hint").first).to_contain_text(f"{pace} words per minute")
    for quoted in page.locator(".examples q").all_inner_texts():
        words = quoted.strip("“”\"'… ")
        before = text.partition(words)[0].rstrip()
        assert quoted.lstrip("“\"'").startswith("…") or not before or before[-1] in ".!?", quoted


def test_a_recording_is_played_from_the_tab_that_sent_it(done: dict[str, Any], page: Page) -> None:
    """Even though the service has deleted it; after a reload, the page says that it is gone."""
    player = page.get_by_label("This recording")
    expect(player).to_be_visible()
    expect(page.get_by_text("The service has deleted the audio.")).to_be_visible()
    played = player.evaluate(
        """async (audio) => {
            audio.muted = true;
            await audio.play();
            await new Promise((resolve) => audio.addEventListener("timeupdate", () => audio.currentTime > 0 && resolve()));
            audio.pause();
            return audio.duration;
        }"""
    )
    page.reload()
    expect(page.locator("#transcript")).to_be_visible()

    assert done["audioDeletedAt"] and played > 40
    expect(player).to_have_count(0)
    expect(page.get_by_text("Only the tab that sent a recording can play it")).to_be_visible()


def test_transcript_and_insights_can_be_taken_away(
    done: dict[str, Any], page: Page, context: BrowserContext, tmp_path: Path
) -> None:
    """Copied to the clipboard and saved as files, verbatim."""
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy transcript").click()
    expect(page.get_by_role("status")).to_have_text("Copied: transcript")
    copied = page.evaluate("navigator.clipboard.readText()")
    saved: dict[str, str] = {}
    for what in ("transcript", "insights"):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Download {what}").click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        saved[path.name] = path.read_text()

    day = done["createdAt"][:10]
    text = done["transcript"]["text"]
    assert copied == text and saved[f"transcript-{day}.txt"] == text
    assert done["focusNext"] in saved[f"insights-{day}.txt"]
    assert all(insight["pattern"] in saved[f"insights-{day}.txt"] for insight in done["insights"])


def test_patterns_are_counted_per_hundred_words(stack: Stack, page: Page) -> None:
    """The same recording twice gives the same rates in the comparison and the chart: counts are not added up."""
    sign_in(page, stack.url, "Bea")
    send_sample(page)
    expect(page.get_by_role("heading", name="In numbers")).to_be_visible()
    expect(page.locator("#chart svg[role=img] .point").first).to_be_visible()
    send_sample(page)
    expect(page.get_by_role("heading", name="Compared with your last recording")).to_be_visible()
    rows = page.locator(".compare tbody tr").all_inner_texts()
    page.get_by_text("Show as a table").click()
    expect(page.locator("#chart thead th")).to_have_count(3)
    charted = [row.split("\t") for row in page.locator("#chart tbody tr").all_inner_texts()]
    sessions = page.request.get(f"{stack.url}/api/sessions").json()["sessions"]
    first = fetch(page, stack, sessions[1]["id"])

    rates = {
        each["pattern"]: f"{100 * each['frequency'] / first['transcript']['wordCount']:.1f}"
        for each in first["insights"]
    }
    assert {pattern.strip(): before for pattern, before, _ in charted} == rates
    assert all(before == after for _, before, after in charted)
    compared = {row.split("\t")[0].strip(): row.split("\t")[1:] for row in rows}
    assert compared["Words"] == [str(first["transcript"]["wordCount"])] * 2
    assert all(len(set(values)) == 1 for values in compared.values())


def test_the_list_follows_what_happens_elsewhere(stack: Stack, page: Page, context: BrowserContext) -> None:
    """Uploads and deletions in another tab or browser appear without a reload."""
    sign_in(page, stack.url, "Cem")
    other = context.new_page()
    other.goto(stack.url)
    other.get_by_role("button", name="Start recording").wait_for()
    send_sample(other)
    expect(page.locator("#recordings .badge")).to_have_text("Done", timeout=REFRESHED_MS)
    page.locator("#recordings a").click()
    expect(page.locator("#transcript")).to_be_visible()
    button = page.get_by_role("button", name="Delete Sample")
    button.focus()
    # The list refreshes repeatedly without losing the focus.
    for _ in range(2):
        with page.expect_request("**/api/sessions?*", timeout=REFRESHED_MS):
            pass
    expect(button).to_be_focused()

    other.get_by_role("button", name="Delete Sample").click()
    other.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("#session")).to_be_hidden()
    expect(page.get_by_text("None yet.")).to_be_visible(timeout=REFRESHED_MS)

    audio = FilePayload(name="a.webm", mimeType="audio/webm", buffer=b"no audio")
    fields: dict[str, str | float | bool | bytes | FilePayload] = {"audio": audio, "duration": "1", "topic": LONG_TOPIC}
    page.request.post(f"{stack.url}/api/sessions", multipart=fields)
    expect(page.locator("#recordings .badge")).to_have_text("Failed", timeout=REFRESHED_MS)

    page.set_viewport_size(PHONE)
    line = page.locator("#recordings a").evaluate("(link) => parseFloat(getComputedStyle(link).lineHeight)")
    box: Any = page.locator("#recordings a").bounding_box()
    assert box["height"] <= 2 * line + 1
