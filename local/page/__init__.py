"""A page for people: record, watch, read. Served beside the application by the local stack, never in production."""

import sys
from collections.abc import Sequence

# Where the page is looked for first; the stack takes another port when this one is taken.
DEFAULT_PAGE_PORT = 8001


def page_command(port: int, app_url: str, stand_ins: Sequence[str]) -> list[str]:
    """The command that serves the page on ``port``. It reads AUTH_SECRET from its environment."""
    command = [sys.executable, "-m", "local.page", "--port", str(port), "--app", app_url]
    for name in stand_ins:
        command += ["--stand-in", name]
    return command
