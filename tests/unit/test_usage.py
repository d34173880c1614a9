"""The usage summary that the demo reads from the application's log."""

import json
from pathlib import Path

from local.usage import usage


def test_usage_adds_up_what_every_delivery_paid(tmp_path: Path) -> None:
    """Other sessions, other events and lines that are not JSON are ignored."""
    heard = {"event": "session_transcribed", "model": "whisper-1", "audio_s": 53.9, "attempts": 1, "cost_usd": 0.0054}
    read = {"event": "session_analyzed", "model": "haiku", "tokens_in": 500, "tokens_out": 40, "attempts": 2}
    events = [
        *({**heard, "session_id": name} for name in ("ours", "other", "ours")),
        {**read, "session_id": "ours", "cost_usd": 0.001},
        {"event": "delivery_finished", "session_id": "ours"},
    ]
    log = tmp_path / "app.log"
    log.write_text("\n".join(["INFO: not JSON", *map(json.dumps, events), ""]))

    assert usage(log, "ours") == [
        "transcription  $0.0054  whisper-1: 54 s of audio, 1 attempt",
        "transcription  $0.0054  whisper-1: 54 s of audio, 1 attempt",
        "analysis       $0.0010  haiku: 500 tokens in, 40 out, 2 attempts",
        "total          $0.0118",
    ]
    assert usage(log, "unknown") == usage(tmp_path / "missing.log", "ours") == []
