"""The runbook's commands are commands."""

import re
import shlex
from pathlib import Path

import pytest

from app.__main__ import parser

RUNBOOK = (Path(__file__).parent.parent.parent / "docs/operations.md").read_text()
COMMANDS = sorted(set(re.findall(r"python -m app ([^`\n]+)", RUNBOOK)))


@pytest.mark.parametrize("words", [command for command in COMMANDS if command != "COMMAND"])
def test_every_command_of_the_runbook_is_understood(words: str) -> None:
    """A renamed command or option fails here, not in the first hour after a page."""
    assert parser().parse_args(shlex.split(words)).run
