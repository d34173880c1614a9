"""Reads a session's usage from the application's log: seconds of audio or tokens, model, attempts, cost."""

import json
from pathlib import Path
from typing import Any

STEPS = {"session_transcribed": "transcription", "session_analyzed": "analysis"}


def usage(log: Path, session_id: str) -> list[str]:
    """Return a line for each paid call, and one for the total; empty if the session is not in the log."""
    events = [event for event in _events(log) if event.get("session_id") == session_id and event.get("event") in STEPS]
    if not events:
        return []
    total = sum(float(event.get("cost_usd", 0)) for event in events)
    return [*map(_sentence, events), f"{'total':<15}${total:.4f}"]


def _sentence(event: dict[str, Any]) -> str:
    if event["event"] == "session_transcribed":
        used = f"{event['audio_s']:.0f} s of audio"
    else:
        used = f"{event.get('tokens_in', 0)} tokens in, {event.get('tokens_out', 0)} out"
    attempts = event["attempts"]
    tried = f"{attempts} attempt{'' if attempts == 1 else 's'}"
    return f"{STEPS[event['event']]:<15}${event.get('cost_usd', 0):.4f}  {event['model']}: {used}, {tried}"


def _events(log: Path) -> list[dict[str, Any]]:
    if not log.is_file():
        return []
    # Lines from uvicorn or from a crash are not JSON.
    return [json.loads(line) for line in log.read_text(errors="replace").splitlines() if line.startswith("{")]
