"""``make screenshots``: the page's four main states, light and dark, as pictures for the documentation."""

import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect

from local.demo import recording
from local.migrate import ROOT
from local.ports import free_port
from local.stack import Stack, stop_on_sigterm
from tests.e2e.test_page import drop, wait_until_done
from tests.support.browser import browser, chromium, record, sign_in, voice_file

IMAGES = ROOT / "docs" / "images"
SIZE = {"width": 1180, "height": 820}


def main() -> None:
    """Start a stack, take the pictures, stop."""
    stop_on_sigterm()
    program = chromium()
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screenshots-") as folder:
        directory = Path(folder)
        with (
            Stack(directory, port=free_port()) as stack,
            browser(program, voice_file(directory)) as running,
        ):
            for scheme in ("light", "dark"):
                context = running.new_context(
                    viewport=SIZE,  # pyright: ignore[reportArgumentType]  # a size
                    color_scheme=scheme,
                    reduced_motion="reduce",
                )
                take(context.new_page(), stack.url, scheme)
                context.close()


def take(page: Page, url: str, scheme: str) -> None:
    """Sign-in, recording, at work, results."""

    def picture(state: str) -> None:
        path = IMAGES / f"{state}-{scheme}.png"
        page.screenshot(path=path, animations="disabled")
        print(path.relative_to(ROOT), flush=True)

    page.goto(url)
    page.get_by_label("Your name").wait_for()
    picture("sign-in")
    sign_in(page, url, f"Ada ({scheme})")
    upload = recording(None)
    drop(page, upload.name, upload.content, upload.content_type)
    page.get_by_label("Topic").fill("A tale of two cities")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#session")).to_be_visible()
    picture("at-work")
    wait_until_done(page)
    expect(page.locator("#chart svg[role=img]")).to_be_visible()
    page.evaluate("scrollTo(0, 0)")
    picture("results")
    record(page, 6)
    picture("recording")


if __name__ == "__main__":
    main()
