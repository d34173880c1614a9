"""Actions of a learner on the site."""

import re
import time
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.frontend.website import Website

RECORD_S = 12
UPLOAD_TIMEOUT_S = 90


def sign_in(page: Page, site: Website, name: str) -> None:
    """Sign in with the site's form."""
    page.goto(site.url)
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Record").wait_for()


def record(page: Page, seconds: int = RECORD_S) -> str:
    """Record the microphone, which uploads at once, and return the session's id."""
    page.get_by_role("button", name="Record").click()
    page.wait_for_timeout(seconds * 1000)
    page.get_by_role("button", name="Stop").click()
    return opened_session(page)


def send_file(page: Page, file: Path, *, direct: bool = False) -> str:
    """Upload a file through the rewrite or directly to storage, and return the session's id."""
    if direct:
        page.get_by_label("Directly to storage").check()
    page.get_by_label("File").set_input_files(file)
    return opened_session(page)


def opened_session(page: Page) -> str:
    """Wait until the upload is complete, and return the session's id from the URL."""
    page.wait_for_url(re.compile("/session/c"), timeout=UPLOAD_TIMEOUT_S * 1000)
    return page.url.rpartition("/")[2]


def wait_for_status(page: Page, *statuses: str, timeout_s: float = 60) -> str:
    """Wait until the page shows one of ``statuses``, only by its own polling."""
    expect(page.locator("main")).to_have_attribute(
        "data-status", re.compile("|".join(statuses)), timeout=timeout_s * 1000
    )
    return page.locator("main").get_attribute("data-status") or ""


def press_retry_until(page: Page, status: str, timeout_s: float) -> None:
    """Press the page's Retry button whenever FAILED is shown, until ``status`` is shown."""
    deadline = time.monotonic() + timeout_s
    while (shown := page.locator("main").get_attribute("data-status")) != status:
        assert time.monotonic() < deadline, f"still {shown}: {page.locator('main').inner_text()}"
        if shown == "FAILED":
            page.get_by_role("button", name="Retry").click()
        page.wait_for_timeout(500)
