"""The code blocks of the documentation, and their marks: run by a test, run by ``make newcomer``, or not run."""

import re
from dataclasses import dataclass

from local.migrate import ROOT

# "<!-- run -->", "<!-- run by make newcomer -->" or "<!-- not run: the reason -->", on the line before the block.
MARK = re.compile(r"<!-- (run|run by make newcomer|not run: [^>]{10,}) -->")
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
SHELL = ("", "bash", "sh", "shell", "console")


@dataclass(frozen=True)
class Block:
    """A block of shell commands. ``mark`` is None if the block has no mark."""

    mark: str | None
    text: str

    @property
    def commands(self) -> list[str]:
        """The lines, without comments."""
        return [line for line in (re.sub(r"\s*# .*", "", line) for line in self.text.splitlines()) if line]


def blocks(page: str) -> list[Block]:
    """The shell blocks of a page, in order; a block without a language counts as one."""
    text = (ROOT / page).read_text()
    found: list[Block] = []
    for fence in FENCE.finditer(text):
        if fence[1] in SHELL:
            line = text[: fence.start()].rstrip("\n").rpartition("\n")[2]
            mark = MARK.fullmatch(line.strip())
            found.append(Block(mark[1] if mark else None, fence[2]))
    return found


def run_blocks(page: str) -> list[Block]:
    """The blocks that a test runs."""
    return [block for block in blocks(page) if block.mark == "run"]
