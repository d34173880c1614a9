"""``make screenshots``: takes pictures of the page for the documentation, in light and dark mode and on a phone."""

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, expect

from local.audio import OPUS_RATE, as_webm, decode, human_voice
from local.migrate import ROOT
from local.ports import free_port
from local.stack import Stack, stop_on_sigterm
from tests.e2e.test_page_failures import WAITING, frozen, set_row
from tests.support.browser import (
    PHONE,
    browser,
    chromium,
    drop,
    record,
    send,
    send_sample,
    sign_in,
    voice_file,
    wait_for_status,
)

IMAGES = ROOT / "docs" / "images"
SIZE = ViewportSize(width=1180, height=820)


def main() -> None:
    """Start a stack and take the pictures."""
    stop_on_sigterm()
    program = chromium()
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screenshots-") as folder:
        directory = Path(folder)
        with Stack(directory, port=free_port()) as stack, browser(program, voice_file(directory)) as running:
            for scheme in ("light", "dark"):
                context = running.new_context(
                    viewport=SIZE,
                    color_scheme=scheme,
                    reduced_motion="reduce",
                )
                take(context.new_page(), stack, scheme)
                context.close()
            take_phone(running, stack)


def picture(page: Page, name: str, *, full: bool = False) -> None:
    """Save a picture of the viewport, or of the whole page."""
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path, animations="disabled", full_page=full)
    print(path.relative_to(ROOT), flush=True)


def take(page: Page, stack: Stack, scheme: str) -> None:
    """Take pictures of sign-in, start, processing, results, recording, and waiting for a retry."""
    page.goto(stack.url)
    page.get_by_label("Your name").wait_for()
    picture(page, f"sign-in-{scheme}")
    sign_in(page, stack.url, "Ada" if scheme == "light" else "Ben")
    expect(page.get_by_role("heading", name="How it works")).to_be_visible()
    picture(page, f"start-{scheme}")
    drop(page, "reading.webm", as_webm(decode(human_voice(), OPUS_RATE)), "audio/webm")
    with frozen(stack, "local.speech"):
        send(page, "A reading: A Tale of Two Cities")
        wait_for_status(page, "TRANSCRIBING")
        expect(page.locator("#recordings .badge")).to_have_text("Transcribing")
        picture(page, f"at-work-{scheme}")
    assert wait_for_status(page, "DONE", "FAILED")[-1] == "DONE"
    send_sample(page)
    expect(page.get_by_role("heading", name="Compared with your last recording")).to_be_visible()
    expect(page.locator("#recordings .badge").first).to_have_text("Done")
    expect(page.locator("#chart text").filter(has_text=":")).not_to_have_count(0)
    page.mouse.move(0, 0)
    picture(page, f"results-{scheme}", full=True)
    record(page, 6)
    picture(page, f"recording-{scheme}")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Discard").click()
    retrying(page, stack, scheme)


def retrying(page: Page, stack: Stack, scheme: str) -> None:
    """Take a picture of a failure that is retried. The row is changed as a delivery would change it."""
    page.get_by_role("button", name="Try the sample recording").click()
    page.locator("#review-text").get_by_text("sample.ogg").wait_for()
    with frozen(stack, "local.speech"):
        send(page, "My weekend in the mountains")
        session_id = page.url.split("=")[1]
        wait_for_status(page, "TRANSCRIBING")
        set_row(stack, session_id, f"status = 'FAILED', \"errorMessage\" = '{WAITING}'")
        wait_for_status(page, "WAITING")
        expect(page.locator("#recordings .badge").first).to_have_text("Retrying")
        page.evaluate("scrollTo(0, 0)")
        picture(page, f"retrying-{scheme}")


def take_phone(running: Browser, stack: Stack) -> None:
    """Take pictures of the start and the results at a width of 390 pixels."""
    context = running.new_context(viewport=PHONE, device_scale_factor=2, reduced_motion="reduce", has_touch=True)
    page = context.new_page()
    sign_in(page, stack.url, "Cleo")
    expect(page.get_by_role("heading", name="How it works")).to_be_visible()
    picture(page, "start-phone")
    send_sample(page)
    page.locator("#session").scroll_into_view_if_needed()
    page.evaluate("document.getElementById('session').scrollIntoView()")
    picture(page, "results-phone")
    context.close()


if __name__ == "__main__":
    main()
