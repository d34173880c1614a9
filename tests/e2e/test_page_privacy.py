"""In a shared browser, the next learner sees nothing of the previous one."""

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from local.stack import Stack
from tests.support.browser import record, send_sample, sign_in, wait_for_clock

pytestmark = pytest.mark.thorough

SECRET = "My secret topic"
# A word from the sample recording.
SPOKEN = "sunrise"


def sign_in_here(page: Page, name: str) -> None:
    """Sign in without reloading the page."""
    page.get_by_label("Your name").fill(name)
    page.keyboard.press("Enter")
    expect(page.locator("#learner-name")).to_have_text(name)


def sign_out(page: Page, *, unsent: bool = False) -> None:
    """Sign out. With ``unsent``, confirm that the unsent recording is discarded."""
    page.get_by_role("button", name="Sign out").click()
    if unsent:
        page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Your name")).to_be_visible()


def expect_nothing_left(page: Page, *addresses: str | None) -> None:
    """The panel is idle and empty, and the given audio addresses can no longer be played."""
    expect(page.get_by_role("button", name="Start recording")).to_be_visible()
    for state in ("recording", "review", "sending"):
        expect(page.locator(f"[data-state={state}]")).to_be_hidden()
    assert page.locator("#topic").input_value() == "" and SECRET not in page.content()
    assert page.locator("audio[src]").count() == 0
    for address in addresses:
        plays = page.evaluate(
            """(address) => new Promise((resolve) => {
                const audio = new Audio(address);
                audio.addEventListener("error", () => resolve(false));
                audio.addEventListener("loadedmetadata", () => resolve(true));
            })""",
            address,
        )
        assert address and plays is False


def test_an_unsent_recording_goes_with_its_learner(stack: Stack, page: Page) -> None:
    """After a confirmation, recording and topic are gone."""
    sign_in(page, stack.url, "Ada")
    record(page, 1)
    page.get_by_role("button", name="Stop").click()
    page.get_by_label("Topic").fill(SECRET)
    address = page.locator("#player").get_attribute("src")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Stay").click()
    expect(page.locator("#review-text")).to_be_visible()
    sign_out(page, unsent=True)
    sign_in_here(page, "Bea")

    expect_nothing_left(page, address)


def test_a_running_recording_ends_with_its_learner(stack: Stack, page: Page) -> None:
    """The microphone is released, and no recording appears for the next learner."""
    sign_in(page, stack.url, "Ada")
    page.evaluate(
        """() => {
            const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
            navigator.mediaDevices.getUserMedia = async (constraints) => (window.opened = await open(constraints));
        }"""
    )
    record(page, 1)
    sign_out(page, unsent=True)
    released = page.evaluate("opened.getTracks().every((track) => track.readyState === 'ended')")
    sign_in_here(page, "Bea")

    assert released
    expect_nothing_left(page)


def test_an_upload_ends_with_its_learner(stack: Stack, page: Page) -> None:
    """It is aborted, and reappears neither as a recording nor as a session."""
    sign_in(page, stack.url, "Ada")
    record(page, 1)
    page.get_by_role("button", name="Stop").click()
    page.get_by_label("Topic").fill(SECRET)
    page.route("**/api/sessions", lambda route: None if route.request.method == "POST" else route.continue_())
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    sign_out(page, unsent=True)
    sign_in_here(page, "Bea")

    expect_nothing_left(page)
    expect(page.get_by_text("None yet.")).to_be_visible()


def test_results_and_copies_go_with_their_learner(stack: Stack, page: Page) -> None:
    """They are gone from the page and from the browser history, and so is the playable copy."""
    sign_in(page, stack.url, "Ada")
    send_sample(page)
    address = page.get_by_label("This recording").get_attribute("src")
    assert SPOKEN in page.content()
    sign_out(page)
    page.go_back()
    expect(page.get_by_label("Your name")).to_be_visible()
    assert SPOKEN not in page.content()
    sign_in_here(page, "Bea")
    expect_nothing_left(page, address)
    page.go_back()
    page.go_forward()

    assert SPOKEN not in page.content()
    expect(page.get_by_text("None yet.")).to_be_visible()


def test_other_tabs_sign_out_too(stack: Stack, page: Page, context: BrowserContext) -> None:
    """They discard their data and switch to the next learner."""
    sign_in(page, stack.url, "Ada")
    other = context.new_page()
    other.goto(stack.url)
    record(other, 1)
    sign_out(page)
    expect(other.get_by_label("Your name")).to_be_visible()
    assert SECRET not in other.content()
    sign_in_here(page, "Bea")

    expect(other.locator("#learner-name")).to_have_text("Bea")
    expect_nothing_left(other)


@pytest.mark.parametrize("name", ["ada", "Bea"])
def test_an_expired_sign_in_keeps_a_recording_for_its_learner_alone(stack: Stack, page: Page, name: str) -> None:
    """The running recording is stopped and kept, but only for the same learner."""
    sign_in(page, stack.url, "Ada")
    record(page, 1)
    wait_for_clock(page, 2)
    page.context.clear_cookies()
    expect(page.locator("#sign-in").get_by_role("alert")).to_have_text(
        "You are signed out. Sign in to continue.", timeout=30_000
    )
    expect(page.locator("#workspace")).to_be_hidden()
    sign_in_here(page, name)

    if name == "ada":
        expect(page.locator("#review-text")).to_have_text(re.compile(r"recording\.webm"))
    else:
        expect_nothing_left(page)
