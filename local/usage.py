"""What a session used, as the application's log says it: seconds of audio or tokens, model, attempts, cost."""

import json
from pathlib import Path
from typing import Any

STEPS = {"session_transcribed": "transcription", "session_analyzed": "analysis"}


def usage(log: Path, session_id: str) -> list[str]:
    """A line for each call that was paid for, then their sum; nothing if the log does not have the session."""
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
    # What uvicorn or a crash wrote is no JSON.
    return [json.loads(line) for line in log.read_text(errors="replace").splitlines() if line.startswith("{")]
