"""The commands of ``make evaluate`` and ``make evaluate-speech``, over real sockets."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from evaluation.__main__ import chosen_models, main
from evaluation.golden import sessions
from evaluation.perfect import perfect_answer
from local.migrate import ROOT
from tests.support.serving import served

START = "local: "


async def messages(request: Request) -> Response:
    """A provider with three models: a perfect one, one that does not write JSON, and a retired one."""
    body: dict[str, Any] = await request.json()
    model, said = body["model"], body["messages"][0]["content"]
    if model == "gone":
        return JSONResponse({"type": "error", "error": {"type": "not_found_error", "message": "model: gone"}}, 404)
    session = next(each for each in sessions() if said.endswith(each.text))
    text = json.dumps(perfect_answer(session)) if model == "claude-haiku-4-5" else "Here is what I found:"
    return JSONResponse(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 1000, "output_tokens": 100},
        }
    )


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with served(Starlette(routes=[Route("/v1/messages", messages, methods=["POST"])])) as url:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "key")
        yield


@pytest.mark.usefixtures("provider")
def test_models_side_by_side_in_a_table_and_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Models are called like in production; a perfect one scores 1, one without JSON 0, and the cost is known."""
    code = main(["analysis", "--models", "claude-haiku-4-5,talker", "--results", str(tmp_path)])
    printed = capsys.readouterr()
    perfect, talker = json.loads(next(tmp_path.glob("analysis-*.json")).read_text())["models"]

    assert code == 0
    assert (perfect["score"], perfect["failures"]) == (1.0, {})
    # 1,000 input and 100 output tokens per session, at $1 and $5 per million.
    assert perfect["cost_usd"] == pytest.approx(0.0015 * len(sessions()))
    assert (talker["score"], talker["scores"]["valid"]) == (0.0, 0.0)
    assert sum(talker["failures"].values()) == len(sessions())
    assert "| | claude-haiku-4-5 | talker |" in printed.out
    assert f"claude-haiku-4-5: {len(sessions())} of {len(sessions())}" in printed.err


@pytest.mark.usefixtures("provider")
def test_model_that_is_gone_ends_the_run_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A refusal that affects every call is not a score of 0: the error names the setting, and nothing is written."""
    code = main(["analysis", "--models", "gone", "--results", str(tmp_path)])

    assert code == 1
    assert "ANALYSIS_MODELS" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("provider")
def test_results_before_a_refusal_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong name at the end of MODELS does not discard the results of the models before it."""
    code = main(["analysis", "--models", "claude-haiku-4-5,gone", "--results", str(tmp_path)])
    written = json.loads(next(tmp_path.glob("analysis-*.json")).read_text())

    assert code == 1
    assert [report["model"] for report in written["models"]] == ["claude-haiku-4-5"]
    assert "| score | 1.00 |" in capsys.readouterr().out


@pytest.mark.parametrize(("kind", "provider"), [("analysis", "ANTHROPIC"), ("speech", "OPENAI")])
def test_without_a_key_only_the_stand_in_runs(
    kind: str, provider: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A provider's model without a key is refused with a message; without names, the stand-in is evaluated."""
    monkeypatch.delenv(f"{provider}_API_KEY", raising=False)
    setting = "analysis_models" if kind == "analysis" else "transcription_models"

    assert chosen_models("", provider, setting) == ["local"]
    assert main([kind, "--models", "some-model", "--results", str(tmp_path)]) == 1
    assert f"set {provider}_API_KEY" in capsys.readouterr().err
    monkeypatch.setenv(f"{provider}_API_KEY", "key")
    monkeypatch.setenv(setting.upper(), "new, old")
    assert chosen_models("", provider, setting) == ["local", "new", "old"]


def test_missing_espeak_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without espeak-ng the command says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert main(["speech", "--models", "local", "--results", str(tmp_path)]) == 1
    assert "apt install espeak-ng" in capsys.readouterr().err


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.thorough
def test_interrupt_stops_everything_and_writes_nothing(with_signal: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C prints one line, and the stand-in does not outlive the command."""
    environment = {name: value for name, value in os.environ.items() if name != "ANTHROPIC_API_KEY"}
    command = [sys.executable, "-m", "evaluation", "analysis", "--results", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        first = process.stderr.readline()
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(with_signal)
        rest = process.stderr.read()
        code = process.wait(60)

    assert first.startswith(START)
    assert children
    assert [child for child in children if child.is_running()] == []
    assert (code, list(tmp_path.iterdir())) == (130, [])
    assert "stopped; nothing was written" in rest
    assert "Traceback" not in rest
