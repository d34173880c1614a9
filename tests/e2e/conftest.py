"""Shared fixtures of the end-to-end tests: a running stack and a browser, one per module."""

from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from local.ports import free_port
from local.stack import Stack
from tests.support.browser import DESK, browser, chromium, voice_file


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stack, None, None]:
    """A running stack."""
    with Stack(tmp_path_factory.mktemp("stack"), port=free_port(), quiet=True) as running:
        yield running


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Generator[Browser, None, None]:
    """Chromium."""
    with browser(chromium(), voice_file(tmp_path_factory.mktemp("microphone"))) as running:
        yield running


@pytest.fixture
def context(chrome: Browser) -> Generator[BrowserContext, None, None]:
    """A fresh browser profile. Script errors of the page fail the test."""
    errors: list[str] = []
    context = chrome.new_context(viewport=DESK)
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context
    context.close()
    assert errors == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page in the fresh profile."""
    return context.new_page()
