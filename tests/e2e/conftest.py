"""What end-to-end tests share: a running stack, once for each file."""

from collections.abc import Generator

import pytest

from local.ports import free_port
from local.stack import Stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stack, None, None]:
    """A running stack."""
    with Stack(tmp_path_factory.mktemp("stack"), port=free_port(), quiet=True) as running:
        yield running
