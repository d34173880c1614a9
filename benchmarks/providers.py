"""Stand-ins without latency for Whisper, Claude and QStash: ``python -m benchmarks.providers --port N``."""

import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.serving import serve_on_port

INSIGHTS = [
    {
        "category": "grammar", "pattern": f"Pattern {number}", "detail": "A habit that comes back.", "frequency": number,
        "severity": ("high", "medium", "low")[number % 3], "examples": ["I go to school yesterday", "He go home"],
        "suggestion": "Say it in the past tense.",
    }
    for number in range(1, 6)
]  # fmt: skip
ANSWER = json.dumps({"insights": INSIGHTS, "focusNext": "Use the past tense three times.", "summary": "A short story."})
TRANSCRIPTION = json.dumps({"text": "I go to school yesterday and then I meet my friend. " * 20}).encode()
MESSAGE = json.dumps(
    {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "stop_reason": "end_turn",
        "stop_sequence": None, "content": [{"type": "text", "text": ANSWER}], "usage": {"input_tokens": 1, "output_tokens": 1},
    }
).encode()  # fmt: skip


async def _answer(request: Request) -> Response:
    async for _ in request.stream():
        pass
    path = request.url.path
    if path.endswith("/audio/transcriptions"):
        return Response(TRANSCRIPTION, media_type="application/json")
    if path.endswith("/messages"):
        return Response(MESSAGE, media_type="application/json")
    return Response(b'{"messageId":"msg_1"}', media_type="application/json")


async def _health(_request: Request) -> Response:
    return Response("ok")


app = Starlette(routes=[Route("/healthz", _health), Route("/{path:path}", _answer, methods=["POST"])])

if __name__ == "__main__":
    serve_on_port(app, "Stand-ins for the providers without latency, for benchmarks.")
