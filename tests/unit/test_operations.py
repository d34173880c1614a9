"""The commands of the runbook exist, and the drill runs each of them."""

import re
import shlex
from pathlib import Path

import pytest

from app.__main__ import parser

RUNBOOK = (Path(__file__).parent.parent.parent / "docs/operations.md").read_text()
FOUND = sorted(set(re.findall(r"(QSTASH_REGION= )?python -m app ([^`\n]+)", RUNBOOK)))


@pytest.mark.parametrize("words", sorted({words for _, words in FOUND} - {"COMMAND"}))
def test_every_command_of_the_runbook_is_understood(words: str) -> None:
    """A renamed command or option fails here, not during an incident."""
    assert parser().parse_args(shlex.split(words)).run


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("sessions", "--older-than", "soon"), "write 90s, 15m, 2h or 7d"),
        (("sessions", "--older-than", "999999d"), "the maximum is 3650d"),
        (("sessions", "--status", "nonsense"), "invalid choice"),
        (("doctor", "--since", "0001-01-01T00:00+23:00"), "is not a date"),
        (("doctor", "--since", "yesterday"), "write it as 2026-11-24"),
        (("retry",), "required"),
    ],
)
def test_invalid_arguments_are_explained(
    words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to write instead, and exit code 2."""
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(words)

    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("words", ["".join(found) for found in FOUND if found[1] != "COMMAND"])
def test_every_command_of_the_runbook_is_in_the_drill(words: str) -> None:
    """tests/e2e/test_drill.py runs only commands of the page, and checks at the end that it has run all of them."""
    drill = (Path(__file__).parent.parent / "e2e/test_drill.py").read_text()

    assert f'"{words}"' in drill or f"'{words}'" in drill
