"""Processes one recording: uploads it, follows its status, and prints the results and the usage."""

import shlex
import sys
import textwrap
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from local.audio import OPUS_RATE, Undecodable, as_webm, decode
from local.retry_progress import STEPS, RetryProgress
from local.token import session_cookie
from local.usage import usage

# A learner's story with typical mistakes, so that there are insights to show; see docs/page.md.
SAMPLE = Path(__file__).parent / "page" / "static" / "sample.ogg"
POLL_S = 0.1
WIDTH = 100
CONTENT_TYPES = {
    ".webm": "audio/webm", ".ogg": "audio/ogg", ".mp3": "audio/mpeg", ".m4a": "audio/mp4", ".mp4": "audio/mp4",
    ".wav": "audio/wav", ".flac": "audio/flac",
}  # fmt: skip


class DemoError(Exception):
    """The demo cannot continue; the message says why."""


@dataclass(frozen=True)
class Upload:
    """A recording, ready to be uploaded as a browser uploads it."""

    name: str
    content: bytes
    content_type: str
    duration_s: float
    retry_command: str = "make demo"


def recording(path: Path | None) -> Upload:
    """Return the recording at ``path``, or the page's sample as Chrome would record it. Raises DemoError."""
    if path is None:
        samples = decode(SAMPLE, OPUS_RATE)
        return Upload("sample.webm", as_webm(samples), "audio/webm;codecs=opus", len(samples) / OPUS_RATE)
    if path.suffix.lower() not in CONTENT_TYPES:
        raise DemoError(f"{path.name}: expected one of {' '.join(CONTENT_TYPES)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DemoError(f"cannot read {path}: {error.strerror}") from error
    retry_command = f"make demo AUDIO={shlex.quote(str(path))}"
    return Upload(path.name, content, CONTENT_TYPES[path.suffix.lower()], _duration_s(path), retry_command)


def _duration_s(path: Path) -> float:
    try:
        return len(decode(path)) / 16_000
    except Undecodable:
        # Leave it to the service to report this.
        return 0.0


def run(environment: Mapping[str, str], log: Path, upload: Upload, stand_ins: list[str]) -> int:
    """Upload the recording, show its progress, print results and usage. Returns an exit code: 0 only when DONE.

    ``environment`` holds the stack's settings; ``log`` is the application's log, in the folder of all logs.
    """
    show = _Display()
    started = time.monotonic()
    url = environment["STACK_URL"]
    # The cookie's name depends on the application's public address.
    headers = {"cookie": session_cookie(environment["AUTH_SECRET"], environment["APP_URL"], "demo")}
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        show.line(
            f"uploading {upload.name}: {len(upload.content) / 1024:.0f} KB, "
            f"{upload.duration_s:.0f} s of {upload.content_type}"
        )
        answer = client.post(
            "/api/sessions",
            files={"audio": (upload.name, upload.content, upload.content_type)},
            data={"duration": str(upload.duration_s), "topic": "demo", "language": "en"},
        )
        if answer.status_code != 201:
            show.line(f"FAILED upload status={answer.status_code} {answer.text[:200]}")
            return 1
        progress = RetryProgress()
        session = _watch(client, answer.json()["id"], show, progress)
    took_s = time.monotonic() - started
    if session["status"] != "DONE":
        step = STEPS[progress.step]
        show.line(f"FAILED session={session['id']} {step}: {session['errorMessage'] or 'no result in time'}")
        show.line(f"The logs are in {log.parent}. To try again: {upload.retry_command}")
        return 1
    _print_results(session)
    _print_usage(usage(log, session["id"]), stand_ins)
    words, insights = session["transcript"]["wordCount"], len(session["insights"])
    print(f"DONE session={session['id']} words={words} insights={insights} took={took_s:.1f}s")
    return 0


def _watch(client: httpx.Client, session_id: str, show: "_Display", progress: RetryProgress) -> dict[str, Any]:
    """Poll the session until it is DONE or has finally failed, or until QStash can have no attempt left."""
    deadline = time.monotonic() + progress.max_wait_s
    while True:
        session: dict[str, Any] = client.get(f"/api/sessions/{session_id}").json()
        show.status(session["status"])
        if retry := progress.update(session):
            show.end()
            show.line(retry)
        if progress.is_final(session) or time.monotonic() > deadline:
            show.end()
            return session
        time.sleep(POLL_S)


def _print_results(session: dict[str, Any]) -> None:
    print("\nTranscript")
    print(textwrap.fill(session["transcript"]["text"], WIDTH, initial_indent="  ", subsequent_indent="  "))
    print("\nInsights")
    for insight in session["insights"]:
        print(f"  [{insight['severity']}] {insight['category']}: {insight['pattern']} ({insight['frequency']}x)")
        print(
            textwrap.fill(
                f"{insight['detail']} {insight['suggestion']}", WIDTH, initial_indent="    ", subsequent_indent="    "
            )
        )
        examples: list[str] = insight["examples"] or []
        for example in examples:
            print(f'    "{example}"')
    print("\nFocus for next time")
    print(textwrap.fill(session["focusNext"], WIDTH, initial_indent="  ", subsequent_indent="  "))


def _print_usage(lines: list[str], stand_ins: list[str]) -> None:
    replaced = " and ".join(name for name in ("Whisper", "Claude") if name in stand_ins)
    if lines:
        print("\nUsage" + (f", at the prices of {replaced}; the stand-ins cost nothing" if replaced else ""))
    for line in lines:
        print(f"  {line}")
    for line in _disclaimers(stand_ins):
        print(f"\n{line}")
    print()


def _disclaimers(stand_ins: list[str]) -> list[str]:
    said = {
        "Whisper": "Transcribed by Moonshine tiny on this machine, not by Whisper: expect some misheard words.",
        "Claude": "The insights come from grammar rules and counting on this machine, not from Claude: expect fewer.",
    }
    return [said[name] for name in stand_ins if name in said]


class _Display:
    """Prints plain lines to a pipe; in a terminal, shows the current status with a running clock."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        self._status, self._since = "", time.monotonic()

    def line(self, text: str) -> None:
        """Print a line."""
        print(text, flush=True)

    def status(self, status: str) -> None:
        """Show the session's current status."""
        if status != self._status:
            self.end()
            self._status, self._since = status, time.monotonic()
            if not self._live:
                self.line(status)
        if self._live:
            frame = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[int(time.monotonic() * 10) % 10]
            print(f"\r\033[2K{frame} {status} {time.monotonic() - self._since:.1f}s", end="", flush=True)

    def end(self) -> None:
        """Mark the current status as finished."""
        if self._live and self._status:
            print(f"\r\033[2K✓ {self._status} {time.monotonic() - self._since:.1f}s", flush=True)
            self._status = ""
