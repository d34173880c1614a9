"""docs/quickstart.md: its commands run as they are written, one after the other, and answer what it says."""

import json
import re
import subprocess
import sys
from typing import Any

from local.migrate import ROOT
from local.stack import Stack

BLOCK = re.compile(r"<!-- run -->\n```bash\n(.*?)```\n```json\n(.*?)```", re.DOTALL)


def shape(value: Any) -> Any:
    """Which keys there are, at every depth; of a list the first element."""
    if isinstance(value, dict):
        return {str(name): shape(inner) for name, inner in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return [shape(value[0])] if isinstance(value, list) and value else None  # pyright: ignore[reportUnknownArgumentType]


def test_the_quickstart_is_true(stack: Stack) -> None:
    """A newcomer copies these lines: each works, and its answer has the keys shown."""
    blocks = BLOCK.findall((ROOT / "docs" / "quickstart.md").read_text())
    script = "\necho; echo ====\n".join(commands for commands, _ in blocks)
    # The stack of this test instead of the one of "make run".
    token = f'"{sys.executable}" -m local --directory "{stack.directory}" token --user ada'
    script = script.replace("make -s token USER=ada", token).replace("http://127.0.0.1:8000", stack.url)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=150, check=False
    )
    answers = [json.loads(text) for text in done.stdout.split("\n====\n")]

    assert done.returncode == 0, done.stderr
    assert [shape(answer) for answer in answers] == [shape(json.loads(documented)) for _, documented in blocks]
