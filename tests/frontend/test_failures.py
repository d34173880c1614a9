"""What a learner sees in the frontend when something fails. Its page polls until FAILED and shows the error message.

The message is always true: if it promises a retry, the session is retried automatically and reaches DONE.
"""

import signal
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack

import httpx
import pytest
from playwright.sync_api import Page, expect

from app.errors import AGAIN
from local.process import Child
from local.stack import Stack
from local.supervision import answers
from tests.frontend import pages
from tests.frontend.website import Website, in_front_of, service_port
from tests.integration.test_engine_process import until

pytestmark = [pytest.mark.frontend, pytest.mark.timeout(600)]

VERSION = "next15"
SPEAK_S = 6
# In the stack for long outages, a minute of the queue's clock takes a second.
MINUTE_S = 1.0


class Outage:
    """A stack and the site in front of it, with methods to stop parts of it."""

    def __init__(self, stack: Stack, site: Website) -> None:
        self.stack, self.site = stack, site
        [self.speech] = [child for child in stack.children if child.name == "local.speech"]

    def end_speech(self) -> None:
        """Stop the speech provider."""
        self.speech.stop()

    def start_speech(self) -> None:
        """Start the speech provider again."""
        self.speech.start_again()
        health = self.stack.environment["OPENAI_BASE_URL"].removesuffix("/v1") + "/healthz"
        self.speech.wait_until(lambda: answers(health), 60)

    def used_up_messages(self) -> int:
        """The number of messages that the queue has given up on."""
        headers = {"authorization": f"Bearer {self.stack.environment['QSTASH_TOKEN']}"}
        url = f"{self.stack.environment['QSTASH_URL']}/v2/dlq"
        return len(httpx.get(url, headers=headers, timeout=10, trust_env=False).json()["messages"])


@pytest.fixture(scope="module", params=["seconds", "hours"])
def outage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Outage, None, None]:
    """For outages of seconds, everything runs at normal speed with a short lease; for hours, the queue runs faster."""
    with ExitStack() as resources, pytest.MonkeyPatch.context() as patched:
        patched.setenv("PROCESSING_LEASE_SECONDS", "60")
        patched.setenv("PROCESSING_TIMEOUT_SECONDS", "40")
        scale = 1.0 if request.param == "seconds" else MINUTE_S / 60
        directory = tmp_path_factory.mktemp("stack")
        stack = resources.enter_context(Stack(directory, port=service_port(), quiet=True, queue_time_scale=scale))
        yield Outage(stack, resources.enter_context(in_front_of(stack, VERSION)))


def shown_sentence(page: Page) -> str:
    """The error message that the page shows for a FAILED session."""
    assert pages.wait_for_status(page, "FAILED", "DONE") == "FAILED"
    return page.locator("#error-message").inner_text()


def pause(child: Child) -> None:
    """Pause a program."""
    child.send(signal.SIGSTOP)


def resume(child: Child) -> None:
    """Resume a paused program."""
    child.send(signal.SIGCONT)


seconds = pytest.mark.parametrize("outage", ["seconds"], indirect=True)
hours = pytest.mark.parametrize("outage", ["hours"], indirect=True)


@seconds
def test_provider_down_for_ten_seconds(outage: Outage, new_page: Callable[[], Page]) -> None:
    """FAILED with the promise of a retry, and the queue's first retry succeeds."""
    page = new_page()
    pages.sign_in(page, outage.site, "ten-seconds")
    outage.end_speech()
    down_since = time.monotonic()
    pages.record(page, SPEAK_S)
    sentence = shown_sentence(page)
    page.wait_for_timeout(max(0.0, 10 - (time.monotonic() - down_since)) * 1000)
    outage.start_speech()

    assert sentence.endswith(AGAIN)
    pages.press_retry_until(page, "DONE", timeout_s=60)


@seconds
def test_storage_outage(outage: Outage, new_page: Callable[[], Page]) -> None:
    """An upload is refused with a message and leaves nothing behind; a session in progress is retried."""
    page, storage = new_page(), outage.stack.storage
    pages.sign_in(page, outage.site, "storage")
    pause(outage.speech)
    pages.record(page, SPEAK_S)
    pages.wait_for_status(page, "TRANSCRIBING")
    storage.stop()
    resume(outage.speech)
    sentence = shown_sentence(page)
    other = page.context.new_page()
    other.goto(f"{outage.site.url}/new")
    other.get_by_role("button", name="Record").click()
    other.wait_for_timeout(2000)
    other.get_by_role("button", name="Stop").click()
    # Next.js adds its own alert to every page.
    expect(other.locator("p[role=alert]")).to_have_text("Failed to create session", timeout=60_000)
    storage.start(storage.port)

    assert sentence.endswith(AGAIN)
    pages.press_retry_until(page, "DONE", timeout_s=240)


@seconds
def test_database_down_for_twenty_seconds(outage: Outage, new_page: Callable[[], Page]) -> None:
    """The page shows failed polls and keeps polling; once the database is back, the session reaches DONE by itself."""
    page, database = new_page(), outage.stack.postgres
    assert database is not None
    pages.sign_in(page, outage.site, "database")
    pause(outage.speech)
    session_id = pages.record(page, SPEAK_S)
    pages.wait_for_status(page, "TRANSCRIBING")
    database.stop()
    away_since = time.monotonic()
    resume(outage.speech)
    expect(page.locator("p[role=alert]")).to_have_text("Failed to fetch session", timeout=30_000)
    answer = page.request.get(f"{outage.site.url}/api/sessions/{session_id}")
    page.wait_for_timeout(max(0.0, 20 - (time.monotonic() - away_since)) * 1000)
    database.start(database.port)

    assert answer.status == 500 and answer.json()["code"] == "INTERNAL_ERROR"
    # The page shows the true state again: the session is being processed, or will be once the lease has expired.
    expect(page.locator("p[role=alert]")).to_have_count(0, timeout=30_000)
    pages.press_retry_until(page, "DONE", timeout_s=400)


@hours
def test_provider_down_for_five_minutes_and_for_an_hour(outage: Outage, new_page: Callable[[], Page]) -> None:
    """The last retry recovers one session; the other exhausts its message, and the sweep recovers it as promised."""
    early, late = new_page(), new_page()
    pages.sign_in(early, outage.site, "an-hour")
    pages.sign_in(late, outage.site, "five-minutes")
    outage.end_speech()
    down_since = time.monotonic()
    early_id = pages.record(early, SPEAK_S)
    first = shown_sentence(early)
    early.wait_for_timeout(max(0.0, 50 * MINUTE_S - (time.monotonic() - down_since)) * 1000)
    pages.record(late, SPEAK_S)
    sentence = shown_sentence(late)
    until(lambda: outage.used_up_messages() == 1, "the message is not used up", 90)
    early.get_by_role("button", name="Retry").click()
    last = shown_sentence(early)
    early.wait_for_timeout(max(0.0, 60 * MINUTE_S - (time.monotonic() - down_since)) * 1000)
    outage.start_speech()

    assert sentence.endswith(AGAIN) and first.endswith(AGAIN) and last.endswith(AGAIN)
    pages.press_retry_until(late, "DONE", timeout_s=90)
    # The sweep runs every ten minutes and takes sessions that failed an hour ago, by the database's clock.
    assert outage.stack.postgres is not None
    outage.stack.postgres.psql(
        f"""UPDATE speaking_sessions SET "updatedAt" = "updatedAt" - interval '1 hour' WHERE id = '{early_id}'""",
        "speaking",
    )
    pages.press_retry_until(early, "DONE", timeout_s=90)
