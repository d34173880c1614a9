"""The whole path of the frontend with Next.js, Auth.js, the documented rewrite and Chromium: `make frontend-test`."""

import os
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from local.stack import Stack
from local.token import session_cookie
from tests.frontend import pages
from tests.frontend.website import Website, in_front_of, service_port

pytestmark = [pytest.mark.frontend, pytest.mark.timeout(600)]

VERSIONS = os.environ.get("FRONTEND_VERSIONS", "next15 next16").split()
# Words from the recording's first half minute.
WORDS = "best of times"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stack, None, None]:
    """A stack on the port that the sites use."""
    with Stack(tmp_path_factory.mktemp("stack"), port=service_port(), quiet=True) as running:
        yield running


@pytest.fixture(scope="module", params=VERSIONS)
def site(stack: Stack, request: pytest.FixtureRequest) -> Generator[Website, None, None]:
    """The site, with the settings and the bucket rule from docs/frontend.md."""
    with in_front_of(stack, request.param) as running:
        yield running


def test_make_token_opens_a_page(stack: Stack, site: Website, new_page: Callable[[], Page]) -> None:
    """Auth.js itself accepts the cookie of `make token`."""
    cookie, _, value = session_cookie(stack.environment["AUTH_SECRET"], stack.environment["APP_URL"], "tess").partition(
        "="
    )
    page = new_page()
    page.context.add_cookies([{"name": cookie, "value": value, "url": site.url}])
    page.goto(f"{site.url}/new")

    expect(page.get_by_role("heading", name="tess")).to_be_visible()
    # Without the cookie, it does not work.
    page.context.clear_cookies()
    page.goto(f"{site.url}/new")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_record_sign_out_come_back_read_delete(stack: Stack, site: Website, new_page: Callable[[], Page]) -> None:
    """A recording is processed while nobody is signed in, only its owner finds it, and deleting it removes it."""
    page, name = new_page(), f"ada-{site.version[-2:]}".replace("15", "a").replace("16", "b")
    pages.sign_in(page, site, name)
    session_id = pages.record(page)
    page.get_by_role("link", name="Back").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert page.request.get(f"{site.url}/api/sessions/{session_id}").status == 401

    stranger = new_page()
    pages.sign_in(stranger, site, f"{name}-s")
    assert stranger.request.get(f"{site.url}/api/sessions/{session_id}").status == 404

    pages.sign_in(page, site, name)
    page.get_by_role("listitem").get_by_role("link").click()
    assert pages.wait_for_status(page, "DONE", "FAILED") == "DONE"
    assert WORDS in page.locator("#transcript").inner_text().lower()
    expect(page.locator("#focus")).not_to_be_empty()
    assert page.get_by_role("listitem").count() >= 1

    page.get_by_role("link", name="Back").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("ul[data-loaded=true]")).to_be_visible()
    expect(page.get_by_role("listitem")).to_have_count(0)
    page.goto(f"{site.url}/session/{session_id}")
    expect(page.get_by_role("alert").filter(has_text="Failed to fetch session")).to_be_visible()
    assert stack.storage.stored_keys() == []


@pytest.mark.parametrize("megabytes", [14, 49])
def test_large_recordings_pass_the_rewrite(
    site: Website, new_page: Callable[[], Page], recording: Callable[[int], Path], megabytes: int
) -> None:
    """Above the 10 MB default limit of Next.js, and close to our own limit: both reach DONE."""
    page = new_page()
    pages.sign_in(page, site, "len")
    pages.send_file(page, recording(megabytes))

    assert pages.wait_for_status(page, "DONE", "FAILED", timeout_s=240) == "DONE", page.locator("main").inner_text()
    assert WORDS in page.locator("#transcript").inner_text().lower()


def test_direct_upload(
    stack: Stack, site: Website, new_page: Callable[[], Page], recording: Callable[[int], Path]
) -> None:
    """With the documented function and bucket rule, the recording goes directly to storage, not through the rewrite."""
    page, posted = new_page(), list[tuple[str, str]]()
    page.on("request", lambda request: posted.append((request.method, request.url.split("?")[0])))
    pages.sign_in(page, site, "dot")
    session_id = pages.send_file(page, recording(14), direct=True)

    assert pages.wait_for_status(page, "DONE", "FAILED", timeout_s=120) == "DONE"
    puts = [url for method, url in posted if method == "PUT"]
    assert len(puts) == 1 and puts[0].startswith(stack.storage.endpoint_url) and session_id in puts[0]
    assert ("POST", f"{site.url}/api/sessions/{session_id}/complete") in posted
