"""The main job once, on a real recording: upload, watch, read."""

import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from local.audio import OPUS_RATE, Undecodable, as_webm, decode, human_voice
from local.patience import STEPS, Patience
from local.token import session_cookie

POLL_S = 0.1
WIDTH = 100
CONTENT_TYPES = {
    ".webm": "audio/webm", ".ogg": "audio/ogg", ".mp3": "audio/mpeg", ".m4a": "audio/mp4", ".mp4": "audio/mp4",
    ".wav": "audio/wav", ".flac": "audio/flac",
}  # fmt: skip


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


@dataclass(frozen=True)
class Upload:
    """A recording ready to be sent as a browser sends it."""

    name: str
    content: bytes
    content_type: str
    duration_s: float


def recording(path: Path | None) -> Upload:
    """The recording at ``path``, or the human voice that comes along, as webm/opus. Raises DemoError."""
    if path is None:
        samples = decode(human_voice(), OPUS_RATE)
        return Upload("recording.webm", as_webm(samples), "audio/webm;codecs=opus", len(samples) / OPUS_RATE)
    if path.suffix.lower() not in CONTENT_TYPES:
        raise DemoError(f"{path.name}: expected one of {' '.join(CONTENT_TYPES)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DemoError(f"cannot read {path}: {error.strerror}") from error
    return Upload(path.name, content, CONTENT_TYPES[path.suffix.lower()], _duration_s(path))


def _duration_s(path: Path) -> float:
    try:
        return len(decode(path)) / 16_000
    except Undecodable:
        # The service is to say so, not we.
        return 0.0


def run(url: str, secret: str, upload: Upload, stand_ins: list[str], *, app_url: str | None = None) -> int:
    """Send the recording, show what happens, print the results. The exit code: 0 only when DONE.

    ``app_url`` is the application's ``APP_URL``, where that is not ``url``: the cookie's name depends on it.
    """
    show = _Display()
    started = time.monotonic()
    headers = {"cookie": session_cookie(secret, app_url or url, "demo")}
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        show.line(
            f"uploading {upload.name}: {len(upload.content) / 1024:.0f} KB, {upload.duration_s:.0f} s of {upload.content_type}"
        )
        answer = client.post(
            "/api/sessions",
            files={"audio": (upload.name, upload.content, upload.content_type)},
            data={"duration": str(upload.duration_s), "topic": "demo", "language": "en"},
        )
        if answer.status_code != 201:
            show.line(f"FAILED upload status={answer.status_code} {answer.text[:200]}")
            return 1
        patience = Patience()
        session = _watch(client, answer.json()["id"], show, patience)
    took_s = time.monotonic() - started
    if session["status"] != "DONE":
        step = STEPS[patience.step]
        show.line(f"FAILED session={session['id']} {step}: {session['errorMessage'] or 'no result in time'}")
        show.line("What the programs wrote is in .local/logs. To try again: make demo")
        return 1
    _print_results(session, stand_ins)
    words, insights = session["transcript"]["wordCount"], len(session["insights"])
    print(f"DONE session={session['id']} words={words} insights={insights} took={took_s:.1f}s")
    return 0


def _watch(client: httpx.Client, session_id: str, show: "_Display", patience: Patience) -> dict[str, Any]:
    """The session once it is DONE or FAILED for good: for as long as QStash may try."""
    deadline = time.monotonic() + patience.longest_s
    while True:
        session: dict[str, Any] = client.get(f"/api/sessions/{session_id}").json()
        show.status(session["status"])
        if again := patience.see(session):
            show.end()
            show.line(again)
        if patience.is_final(session) or time.monotonic() > deadline:
            show.end()
            return session
        time.sleep(POLL_S)


def _print_results(session: dict[str, Any], stand_ins: list[str]) -> None:
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
    for line in _disclaimers(stand_ins):
        print(f"\n{line}")
    print()


def _disclaimers(stand_ins: list[str]) -> list[str]:
    said = {
        "Whisper": "The transcript was made by Moonshine tiny on this machine, not by Whisper: expect some misheard words.",
        "Claude": "The insights come from grammar rules and counting on this machine, not from Claude: they see less.",
    }
    return [said[name] for name in stand_ins if name in said]


class _Display:
    """Plain lines in a pipe; in a terminal the current status with a running clock."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        self._status, self._since = "", time.monotonic()

    def line(self, text: str) -> None:
        """A line that stays."""
        print(text, flush=True)

    def status(self, status: str) -> None:
        """The session's status now."""
        if status != self._status:
            self.end()
            self._status, self._since = status, time.monotonic()
            if not self._live:
                self.line(status)
        if self._live:
            frame = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[int(time.monotonic() * 10) % 10]
            print(f"\r\033[2K{frame} {status} {time.monotonic() - self._since:.1f}s", end="", flush=True)

    def end(self) -> None:
        """Leave the current status standing."""
        if self._live and self._status:
            print(f"\r\033[2K✓ {self._status} {time.monotonic() - self._since:.1f}s", flush=True)
            self._status = ""
