"""The runbook's commands are commands, and the drill runs each."""

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


@pytest.mark.parametrize("words", [command for command in COMMANDS if command != "COMMAND"])
def test_every_command_of_the_runbook_is_in_the_drill(words: str) -> None:
    """tests/e2e/test_drill.py refuses to run what the page does not say, and counts at its end what it has run."""
    drill = (Path(__file__).parent.parent / "e2e/test_drill.py").read_text()

    assert f'"{words}"' in drill or f"'{words}'" in drill
