"""The runbook's commands are commands, and the drill runs each."""

import re
import shlex
from pathlib import Path

import pytest

from app.__main__ import parser

RUNBOOK = (Path(__file__).parent.parent.parent / "docs/operations.md").read_text()
FOUND = sorted(set(re.findall(r"(QSTASH_REGION= )?python -m app ([^`\n]+)", RUNBOOK)))


@pytest.mark.parametrize("words", sorted({words for _, words in FOUND} - {"COMMAND"}))
def test_every_command_of_the_runbook_is_understood(words: str) -> None:
    """A renamed command or option fails here, not in the first hour after a page."""
    assert parser().parse_args(shlex.split(words)).run


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("sessions", "--older-than", "soon"), "write 90s, 15m, 2h or 7d"),
        (("sessions", "--older-than", "999999d"), "write 3650d at most"),
        (("sessions", "--status", "nonsense"), "invalid choice"),
        (("doctor", "--since", "0001-01-01T00:00+23:00"), "is not a date"),
        (("doctor", "--since", "yesterday"), "write it as 2026-11-24"),
        (("retry",), "required"),
    ],
)
def test_wrong_words_are_answered_by_what_to_write(
    words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And by exit code 2."""
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(words)

    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("words", ["".join(found) for found in FOUND if found[1] != "COMMAND"])
def test_every_command_of_the_runbook_is_in_the_drill(words: str) -> None:
    """tests/e2e/test_drill.py refuses to run what the page does not say, and counts at its end what it has run."""
    drill = (Path(__file__).parent.parent / "e2e/test_drill.py").read_text()

    assert f'"{words}"' in drill or f"'{words}'" in drill
