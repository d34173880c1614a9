"""``make demo``: its output on success, when a provider fails once, and when it fails permanently."""

import re
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.e2e.test_stack import command
from tests.support.providers import Providers, Reply
from tests.support.serving import served

MADE_OF = ("Last weekend", "mountains", "informations")


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> Generator[Providers, None, None]:
    """Scripted providers that the demo uses as if they were the real ones."""
    providers = Providers()
    with served(providers.app) as url:
        given = {
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": f"{url}/v1",
            "ANTHROPIC_API_KEY": "sk-ant-test",
            "ANTHROPIC_BASE_URL": url,
        }
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("LOCAL_SETTINGS", " ".join(given))
        yield providers


def demo(directory: Path, *words: str) -> tuple[int, list[str]]:
    """Run the demo, and return its exit code and output lines."""
    with command("demo", *words, directory=directory) as process:
        printed, _ = process.communicate(timeout=150)
    return process.returncode, printed.splitlines()


@pytest.mark.thorough
def test_demo_needs_nothing_and_its_last_line_says_done(tmp_path: Path) -> None:
    """In a pipe it prints plain lines, exits with 0, and ends with the line that scripts look for."""
    started = time.monotonic()
    with command("demo", directory=tmp_path) as process:
        printed, _ = process.communicate(timeout=100)

    assert process.returncode == 0, printed
    assert re.fullmatch(r"DONE session=c\w{24} words=\d+ insights=[3-5] took=\d+\.\ds", printed.splitlines()[-1])
    assert "\033" not in printed and "not by Whisper" in printed and "not from Claude" in printed
    assert all(words in printed for words in MADE_OF)
    assert time.monotonic() - started < 100


@pytest.mark.thorough
def test_a_provider_that_fails_once_is_waited_for(tmp_path: Path, providers: Providers) -> None:
    """It reports the failure and the next attempt; then the results, and the usage of both deliveries."""
    providers.claude.append(Reply(500, {"type": "error", "error": {"type": "api_error", "message": "x"}}, times=3))
    code, lines = demo(tmp_path)
    text = "\n".join(lines)

    assert code == 0, text
    [failed] = [line for line in lines if line.startswith("failed")]
    assert re.fullmatch(
        r"failed while the transcript was analyzed: .+ Trying again in about 12 s, attempt 2 of 4", failed
    )
    assert lines.index(failed) < lines.index("DONE") and lines[-1].startswith("DONE session=")
    # The transcript was stored, so the second delivery only analyzes.
    assert len(providers.transcriptions) == 1 and len(providers.messages) == 4
    used = text.partition("\nUsage\n")[2]
    assert re.search(r"transcription +\$\d\.\d{4}  whisper-1: \d+ s of audio, 1 attempt\n", used)
    assert re.search(r"analysis +\$\d\.\d{4}  claude-haiku-4-5: \d+ tokens in, \d+ out, 1 attempt\n", used)
    assert re.search(r"total +\$\d\.\d{4}\n", used)


@pytest.mark.thorough
def test_a_failure_for_good_says_where_and_what_to_do(tmp_path: Path, providers: Providers) -> None:
    """It names the step, the reason, the logs and the command to try again, and does not wait."""
    refused = {"error": {"message": "Audio file might be corrupted or unsupported", "type": "invalid_request_error"}}
    providers.whisper.append(Reply(400, refused))
    path = tmp_path / "my recording.webm"
    path.write_bytes(b"\x1aE\xdf\xa3 not really a recording" * 20)
    code, lines = demo(tmp_path, "--audio", str(path))

    assert code == 1
    assert re.fullmatch(r"FAILED session=c\w{24} while the recording was transcribed: .+", lines[-2]), lines
    assert lines[-1] == f"The logs are in {tmp_path / 'logs'}. To try again: make demo AUDIO='{path}'"
    assert not any("Trying again" in line for line in lines)


def test_demo_says_why_a_file_will_not_do(tmp_path: Path) -> None:
    """A missing file, or one that is not a recording by its name, is an error before anything starts."""
    text = tmp_path / "notes.txt"
    text.write_text("no audio")
    for path in (text, tmp_path / "missing.webm"):
        with command("demo", "--audio", str(path), directory=tmp_path) as process:
            printed, _ = process.communicate(timeout=90)
        assert process.returncode == 1 and path.name in printed
