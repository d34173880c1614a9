"""The local page's proxy: an answer that comes before the end of the request body reaches the browser."""

import time
from collections.abc import Generator
from contextlib import ExitStack

import httpx
import pytest

from local.page.serve import create_app
from local.ports import LOOPBACK
from local.token import session_cookie
from tests.integration.test_limits import IDLE_S, MOST, received, signed_in, slow_upload, strict_url
from tests.support.serving import served
from tests.support.world import SECRET

__all__ = ["strict_url"]
TOO_LARGE = 58_000_000


@pytest.fixture(scope="module")
def page_url(strict_url: str) -> Generator[str, None, None]:
    """The page in front of the application with short time limits."""
    with served(create_app(strict_url, SECRET, [], public_url=strict_url)) as url:
        yield url


def test_a_body_that_stops_is_answered(page_url: str) -> None:
    """It returns the application's 408, although the rest of the body never arrives."""
    with slow_upload(page_url, "stops") as connection:
        started = time.monotonic()
        answer = received(connection)

    assert IDLE_S <= time.monotonic() - started < 3 * IDLE_S
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.endswith(b'{"error":"The request took too long to arrive","code":"REQUEST_TIMEOUT"}')


def test_one_upload_too_many_is_answered_at_once(page_url: str, strict_url: str) -> None:
    """It returns 429 while the body is still being sent."""
    with ExitStack() as stack:
        for _ in range(MOST):
            stack.enter_context(slow_upload(strict_url, "greedy"))
        connection = stack.enter_context(slow_upload(page_url, "greedy"))
        started = time.monotonic()
        answer = b""
        while not answer.endswith(b"}"):
            answer += connection.recv(65536)

    assert time.monotonic() - started < IDLE_S
    assert answer.startswith(b"HTTP/1.1 429 ") and answer.endswith(b'"code":"TOO_MANY_UPLOADS"}')


def test_a_recording_that_is_too_large_is_answered(page_url: str, strict_url: str) -> None:
    """It returns 413 to a browser that sends the whole file as fast as it can."""
    with signed_in(page_url, "large") as browser:
        browser.headers["cookie"] = session_cookie(SECRET, strict_url, "large")
        answer = browser.post(
            "/api/sessions", files={"audio": ("a", bytes(TOO_LARGE), "audio/webm")}, data={"duration": "9"}
        )

    assert (answer.status_code, answer.json()["code"]) == (413, "INVALID_FILE")


def test_an_unreachable_application_is_reported(strict_url: str) -> None:
    """It returns 502 as JSON, and the page itself keeps working."""
    with served(create_app(f"http://{LOOPBACK}:9", SECRET, [])) as url:
        answer = httpx.post(f"{url}/api/sessions", content=b"x" * 100_000, trust_env=False)

    assert (answer.status_code, answer.json()["code"]) == (502, "UNREACHABLE")
