"""Stand-ins for OpenAI, Anthropic and QStash on a real socket, with scripted answers and recorded calls."""

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

TRANSCRIPT = "I go to school yesterday. So I think that is good."
ANALYSIS: dict[str, Any] = {
    "insights": [
        {
            "category": "grammar",
            "pattern": "Past tense",
            "detail": "Present forms stand for the past.",
            "frequency": 3,
            "severity": "high",
            "examples": ["I go to school yesterday"],
            "suggestion": "Say 'I went'.",
        },
        {"category": "structure", "pattern": "So openers", "detail": "Sentences begin with 'so'.", "severity": "low"},
    ],
    "focusNext": "Use the past tense three times.",
    "summary": "A short story about school.",
}


@dataclass
class Reply:
    """A scripted answer, sent ``times`` times after ``delay_s``. The SDKs try a failing request three times."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    delay_s: float = 0.0
    times: int = 1


@dataclass
class Providers:
    """The scripts and the recorded calls. Calls without a script succeed."""

    whisper: deque[Reply] = field(default_factory=deque[Reply])
    claude: deque[Reply] = field(default_factory=deque[Reply])
    qstash: deque[Reply] = field(default_factory=deque[Reply])
    # The delay of every answer, and whether transcripts contain their session's id, to distinguish concurrent ones.
    delay_s: float = 0.0
    names_sessions: bool = False
    # Models that the provider has retired.
    retired: set[str] = field(default_factory=set[str])
    # The number of messages that wait in QStash's flow control.
    waiting: int = 0
    # The number of callers that disconnected before their answer.
    hung_up: int = 0
    transcriptions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    published: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def reset(self) -> None:
        """Clear scripts and calls."""
        for each in (self.whisper, self.claude, self.qstash, self.transcriptions, self.messages, self.published):
            each.clear()
        self.retired.clear()
        self.waiting = self.hung_up = 0

    def claude_says(self, text: str, stop_reason: str = "end_turn") -> None:
        """Script Claude's next answer."""
        self.claude.append(Reply(body=message(text, stop_reason)))

    @property
    def app(self) -> Starlette:
        """The application to serve."""
        return Starlette(
            routes=[
                Route("/v1/audio/transcriptions", self._transcribe, methods=["POST"]),
                Route("/v1/messages", self._analyze, methods=["POST"]),
                Route("/v2/publish/{destination:path}", self._publish, methods=["POST"]),
                Route("/v2/flowControl/{key}", self._flow_control),
                Route("/v1/models/{name}", self._model),
            ]
        )

    async def _transcribe(self, request: Request) -> Response:
        async with request.form() as form:
            file = form["file"]
            assert isinstance(file, UploadFile)
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            content = await file.read()
            self.transcriptions.append(
                {**fields, "filename": file.filename, "content_type": file.content_type, "content": content}
            )
        if fields["model"] in self.retired:
            error = {"message": "no such model", "type": "invalid_request_error", "code": "model_not_found"}
            return JSONResponse({"error": error}, 404)
        text = f"{TRANSCRIPT} {file.filename}" if self.names_sessions else TRANSCRIPT
        return await self._answer(self.whisper, {"text": text}, request)

    async def _analyze(self, request: Request) -> Response:
        self.messages.append(await request.json())
        if self.messages[-1]["model"] in self.retired:
            error = {"type": "not_found_error", "message": "model: x"}
            return JSONResponse({"type": "error", "error": error}, 404)
        return await self._answer(self.claude, message(json.dumps(ANALYSIS), "end_turn"), request)

    async def _publish(self, request: Request) -> Response:
        url = request.url.path.removeprefix("/v2/publish/")
        self.published.append({"url": url, "headers": dict(request.headers), "body": await request.body()})
        return await self._answer(self.qstash, {"messageId": f"msg_{len(self.published)}"}, request)

    async def _model(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name in self.retired:
            return JSONResponse({"error": {"code": "model_not_found"}}, 404)
        return JSONResponse({"id": name, "shutdown_date": "2027-02-26" if name == "whisper-1" else None})

    async def _flow_control(self, request: Request) -> Response:
        return JSONResponse({"flowControlKey": request.path_params["key"], "waitListSize": self.waiting})

    async def _answer(self, script: deque[Reply], default: Any, request: Request) -> Response:
        reply = script.popleft() if script else Reply(body=default)
        if reply.times > 1:
            script.appendleft(replace(reply, times=reply.times - 1))
        await asyncio.sleep(max(reply.delay_s, self.delay_s))
        self.hung_up += await request.is_disconnected()
        return JSONResponse(
            default if reply.body is None and reply.status == 200 else reply.body, reply.status, reply.headers
        )


def message(text: str, stop_reason: str) -> dict[str, Any]:
    """A message as Claude's API returns it."""
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "content": [{"type": "text", "text": text}],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
