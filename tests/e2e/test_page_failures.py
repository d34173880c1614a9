"""Error messages of the page: next to the affected card, in full sentences, with a way to continue."""

import os
import re
import signal
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from app.errors import AGAIN, NOT_AGAIN
from local.audio import OPUS_RATE, as_webm, decode, human_voice
from local.stack import Stack
from tests.support.browser import drop, record, send, sign_in, wait_for_status

pytestmark = pytest.mark.thorough

# Codes for developers, which no learner should see.
A_CODE = re.compile(r"[A-Z]{3,}_[A-Z]+|\b(?:FAILED|UNAUTHORIZED|HTTP \d+)\b")
LIMIT_BYTES = 50 * 1024 * 1024
WAITING = f"The transcription service did not answer. {AGAIN}"
LOOKED_MS = 30_000


@pytest.fixture
def voice() -> bytes:
    """Ten seconds of a human voice, as recorded by Chrome."""
    return as_webm(decode(human_voice(), OPUS_RATE)[: 10 * OPUS_RATE])


def set_row(stack: Stack, session_id: str, values: str) -> None:
    """Change a session's row as a delivery would."""
    assert stack.postgres is not None
    now = "timezone('utc', clock_timestamp())"
    sql = f"""UPDATE speaking_sessions SET "updatedAt" = {now}, {values} WHERE id = '{session_id}'"""
    stack.postgres.psql(sql, urlsplit(stack.environment["DATABASE_URL"]).path.strip("/"))


@contextmanager
def frozen(stack: Stack, name: str) -> Generator[None, None, None]:
    """Stop one of the stack's programs (SIGSTOP) inside the block, so that its callers wait."""
    [child] = [child for child in stack.children if child.name == name]
    os.kill(child.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(child.pid, signal.SIGCONT)


def test_a_file_dropped_anywhere_is_taken_or_refused_on_the_spot(stack: Stack, page: Page, voice: bytes) -> None:
    """The browser never leaves the page; files that are not audio or too large are refused without being sent."""
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.goto(stack.url)
    left = [drop(page, "voice.webm", voice, "audio/webm", "footer")]
    sign_in(page, stack.url, "Ada")
    sent.clear()
    left.append(drop(page, "notes.txt", b"no audio", "text/plain", "footer"))
    problem = page.locator("#record").get_by_role("alert")
    expect(problem).to_have_text(re.compile(r"^notes\.txt is not an audio file\. Choose a recording such as"))
    page.evaluate(
        """(size) => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([new Uint8Array(size)], "long.wav", { type: "audio/wav" }));
            document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
        }""",
        LIMIT_BYTES + 1,
    )
    expect(problem).to_have_text(re.compile(r"^long\.wav has 50\.1 MB\. The limit is 50 MB"))
    expect(page.get_by_role("button", name="Start recording")).to_be_visible()

    left.append(drop(page, "first.webm", voice, "audio/webm", "h1"))
    expect(page.locator("#review-text")).to_contain_text("first.webm")
    expect(problem).to_have_text("")
    left.append(drop(page, "second.webm", voice, "audio/webm", "#history"))
    page.get_by_role("button", name="Keep").click()
    expect(page.locator("#review-text")).to_contain_text("first.webm")
    left.append(drop(page, "second.webm", voice, "audio/webm", "#history"))
    page.get_by_role("button", name="Replace").click()
    expect(page.locator("#review-text")).to_contain_text("second.webm")
    page.get_by_role("button", name="Discard").click()
    record(page, 1)
    left.append(drop(page, "third.webm", voice, "audio/webm"))
    expect(problem).to_have_text("Stop this recording first, then drop the file again.")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Discard").click()

    assert not any(left) and sent == []


def test_a_final_failure_names_its_step_and_can_be_sent_again(stack: Stack, page: Page) -> None:
    """The step is marked, the card shows the message, and a button uploads this tab's copy again."""
    sign_in(page, stack.url, "Bea")
    drop(page, "noise.webm", b"no audio either " * 50, "audio/webm")
    send(page, "Noise")
    assert wait_for_status(page, "DONE", "FAILED")[-1] == "FAILED"
    card = page.locator("#session")
    expect(card.locator(".problem")).to_have_text(
        f"Failed while transcribing. The recording could not be read as audio. {NOT_AGAIN}"
    )
    expect(card.locator("[data-step=TRANSCRIBING]")).to_have_class("failed")
    expect(card.locator("[data-step=UPLOADED]")).to_have_class("past")
    expect(page.locator("#recordings .badge")).to_have_text("Failed")
    assert not A_CODE.search(page.locator("body").inner_text())

    record(page, 1)
    card.get_by_role("button", name="Send it again").click()
    expect(card.get_by_text("Send or discard the other recording first.")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Discard").click()
    before = page.url
    card.get_by_role("button", name="Send it again").click()
    expect(page.locator("#recordings li")).to_have_count(2)
    assert page.url != before
    expect(page.locator("#session-title")).to_have_text("Noise")

    page.goto(before)
    page.reload()
    expect(card.locator(".problem")).to_be_visible()
    expect(card.get_by_role("button", name="Send it again")).to_have_count(0)
    expect(card.get_by_text("This tab no longer has the recording.")).to_be_visible()


def test_the_page_waits_while_a_failure_is_retried(stack: Stack, page: Page, voice: bytes) -> None:
    """Attempts are counted, the step is named, the list agrees, and the page keeps polling until the final state."""
    sign_in(page, stack.url, "Cem")
    with frozen(stack, "local.speech"):
        drop(page, "voice.webm", voice, "audio/webm")
        send(page)
        session_id = page.url.split("=")[1]
        wait_for_status(page, "TRANSCRIBING")
        set_row(stack, session_id, f"status = 'FAILED', \"errorMessage\" = '{WAITING}'")
        wait_for_status(page, "WAITING")
        card = page.locator("#session")
        expect(card.locator(".warning")).to_contain_text(f"Failed while transcribing. {WAITING}")
        expect(card.locator(".warning")).to_contain_text(re.compile("Trying again in about .*s, attempt 2 of 4."))
        expect(card.locator("[data-step=TRANSCRIBING]")).to_have_class("waiting")
        expect(page.locator("#recordings .badge")).to_have_text("Retrying")
        expect(card.get_by_role("button", name="Send it again")).to_have_count(0)

        set_row(stack, session_id, "status = 'TRANSCRIBING', \"errorMessage\" = NULL")
        wait_for_status(page, "TRANSCRIBING")
        set_row(stack, session_id, f"status = 'FAILED', \"errorMessage\" = '{WAITING}'")
        wait_for_status(page, "WAITING")
        expect(card.locator(".warning")).to_contain_text(re.compile("Trying again in about 2 min .*s, attempt 3 of 4."))
        # Another tab knows that it will be retried, but not how often that has happened.
        other = page.context.new_page()
        other.goto(page.url)
        expect(other.locator("#session .warning")).to_contain_text("about 12 s, 2 min 28 s, 30 min 8 s")

        set_row(
            stack,
            session_id,
            f"status = 'FAILED', \"errorMessage\" = 'The recording could not be processed. {NOT_AGAIN}'",
        )
        wait_for_status(page, "FAILED")
        expect(card.get_by_role("button", name="Send it again")).to_be_visible()
        expect(page.locator("#recordings .badge")).to_have_text("Failed")


def test_the_page_stops_waiting_for_a_retry_that_never_comes(stack: Stack, page: Page) -> None:
    """After 45 minutes without a change, the failure is shown as final with the time of the last attempt."""
    sign_in(page, stack.url, "Dee")
    drop(page, "noise.webm", b"no audio either " * 50, "audio/webm")
    send(page)
    wait_for_status(page, "FAILED")
    session_id = page.url.split("=")[1]
    set_row(stack, session_id, f"\"errorMessage\" = '{WAITING}'")
    page.reload()
    wait_for_status(page, "WAITING")
    page.clock.set_system_time(page.evaluate("Date.now()") / 1000 + 46 * 60)

    wait_for_status(page, "FAILED")
    expect(page.locator("#session .problem")).to_contain_text("Nothing has happened since")


def test_an_upload_that_fails_keeps_the_recording(stack: Stack, page: Page, voice: bytes) -> None:
    """If the service is unreachable, the card says that the recording is kept; afterwards it can be sent."""
    sign_in(page, stack.url, "Eve")
    drop(page, "voice.webm", voice, "audio/webm")
    page.context.set_offline(True)
    page.get_by_role("button", name="Send").click()
    problem = page.locator("#record").get_by_role("alert")
    expect(problem).to_contain_text("The service cannot be reached. Check that it is still running. Your recording")
    expect(page.get_by_role("button", name="Send")).to_be_focused()
    assert not A_CODE.search(page.locator("body").inner_text())
    page.context.set_offline(False)
    send(page)

    assert wait_for_status(page, "DONE", "FAILED")[-1] == "DONE"
    expect(page.locator("#history").get_by_role("alert")).to_have_text("", timeout=LOOKED_MS)
