"""A real retry: the speech service is killed, and the queue delivers again."""

import os
import re
import signal

import pytest
from playwright.sync_api import Page, expect

from app.errors import AGAIN
from local.stack import Stack
from tests.support.browser import send, sign_in, wait_for_status

pytestmark = pytest.mark.thorough

# The queue waits 12 s, the provider's client also retries, and the machine may be busy.
RETRIED_MS = 120_000


def test_attempts_are_counted_as_the_queue_makes_them(stack: Stack, page: Page) -> None:
    """The page recognizes the service's message as a failure that is retried, and counts the second one too."""
    [speech] = [child for child in stack.children if child.name == "local.speech"]
    sign_in(page, stack.url, "Ada")
    os.kill(speech.pid, signal.SIGKILL)
    page.get_by_role("button", name="Try the sample recording").click()
    page.locator("#review-text").get_by_text("sample.ogg").wait_for()
    send(page)
    wait_for_status(page, "WAITING")
    warning = page.locator("#session .warning")
    expect(warning).to_contain_text(AGAIN)
    expect(warning).to_contain_text(re.compile("Trying again .*, attempt 2 of 4."))

    expect(warning).to_contain_text("attempt 3 of 4.", timeout=RETRIED_MS)
    expect(page.locator("#recordings .badge")).to_have_text("Retrying")
