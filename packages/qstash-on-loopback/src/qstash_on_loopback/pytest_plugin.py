"""The pytest fixture ``qstash_server``: a server for one test, with every wait scaled to a thousandth.

``@pytest.mark.qstash(time_scale=1, hosts={"api.example.com": "127.0.0.1:3000"})`` sets options for a test or a class.
Override the fixture ``qstash_options`` to set them for all tests.
"""

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from qstash_on_loopback.service import Options
    from qstash_on_loopback.testing import RunningServer

# Turns 12 s into 12 ms.
TIME_SCALE = 0.001


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "qstash(**options): options of the fixture qstash_server")


@pytest.fixture
def qstash_options() -> "Options":
    """The options of ``qstash_server``. Override this fixture to change them."""
    from qstash_on_loopback.service import Options  # noqa: PLC0415  # every run of pytest loads this module

    return Options(time_scale=TIME_SCALE)


@pytest.fixture
def qstash_server(request: pytest.FixtureRequest, qstash_options: "Options") -> "Generator[RunningServer, None, None]":
    """A server for a single test."""
    from qstash_on_loopback.testing import running  # noqa: PLC0415  # every run of pytest loads this module

    options = qstash_options
    for marker in reversed(list(request.node.iter_markers("qstash"))):
        options = replace(options, **marker.kwargs)
    with running(options) as server:
        yield server
