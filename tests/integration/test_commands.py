"""``python -m app COMMAND``: settings from a file, sentences instead of tracebacks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.test_checks import COMPLETE
from tests.unit.test_house import ROOT


def command(folder: Path, *words: str, **changes: str) -> "subprocess.CompletedProcess[str]":
    """``python -m app …`` in a folder of its own, with these settings in ``.env`` and none around it."""
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in {**COMPLETE, **changes}.items()))
    around = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "app", *words], cwd=folder, env=around, capture_output=True, text=True, check=False
    )


def test_check_settings_reads_the_file_and_starts_nothing(tmp_path: Path) -> None:
    """For a deployment pipeline: exit code and sentences."""
    good = command(tmp_path, "check-settings")
    bad = command(tmp_path, "check-settings", DATABASE_URL="mysql://user:canary@host/name")

    assert (good.returncode, good.stdout, good.stderr) == (0, "the settings are complete\n", "")
    assert bad.returncode == 1 and "DATABASE_URL must start with postgresql://" in bad.stderr
    assert "canary" not in bad.stdout + bad.stderr


@pytest.mark.parametrize("words", [("serve",), ("retry", "c123"), ("schedule", "install")])
def test_every_command_says_what_is_wrong_before_it_does_anything(tmp_path: Path, words: tuple[str, ...]) -> None:
    """No traceback, and the same sentence everywhere."""
    done = command(tmp_path, *words, APP_URL="api.example.com")

    assert done.returncode == 1 and "APP_URL must start with" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("port", ["80000", "0", "-1", "²", "x"])
def test_a_wrong_port_is_a_sentence(tmp_path: Path, port: str) -> None:
    """Not a traceback from the socket."""
    done = command(tmp_path, "serve", f"--port={port}")

    assert done.returncode == 2 and "a port is a number from 1 to 65535" in done.stderr


def test_a_named_file_of_settings_has_to_be_there(tmp_path: Path) -> None:
    """A typing error in its name is no empty file."""
    done = subprocess.run(
        [sys.executable, "-m", "app", "--env-file", "no.env", "check-settings"],
        cwd=tmp_path, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 2 and "no.env is not a file" in done.stderr
