"""Serves ``POST /v1/messages`` as Anthropic does: ``python -m local.analysis --port N``."""

import asyncio
import json
import secrets
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from local.analysis.compose import analyze
from local.serving import serve_on_port
from local.simulated_failures import failure_of

# Separates the service's prompt from the transcript.
SEPARATOR = "\n\nTranscript:\n"


async def messages(request: Request) -> Response:
    """Analyze the transcript in the request's one message."""
    # Newer SDKs send the key as a bearer token, older ones in a header of its own.
    if not (request.headers.get("x-api-key") or request.headers.get("authorization")):
        return _error(401, "authentication_error", "x-api-key header is required")
    try:
        body: Any = await request.json()
        content = body["messages"][0]["content"]
        text: str = content if isinstance(content, str) else content[0]["text"]
        model: str = body["model"]
    except (ValueError, KeyError, IndexError, TypeError):
        return _error(400, "invalid_request_error", "messages: expected one message with text")
    if error := simulated_failure(model) or unsupported(model, body):
        return error
    answer = json.dumps(await asyncio.to_thread(analyze, text.partition(SEPARATOR)[2]), ensure_ascii=False)
    return JSONResponse(
        {
            "id": f"msg_{secrets.token_hex(12)}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": answer}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": len(text) // 4, "output_tokens": len(answer) // 4},
        }
    )


def simulated_failure(model: str) -> Response | None:
    """Return Anthropic's error for a simulated failure: a retired model, an account without credit, a rate limit."""
    match failure_of(model):
        case "retired":
            return _error(404, "not_found_error", f"model: {model}")
        case "no credit":
            return _error(400, "billing_error", "Your credit balance is too low.")
        case "rate limited":
            return _error(429, "rate_limit_error", "This request would exceed your rate limit.")
        case _:
            return None


async def model(request: Request) -> Response:
    """Tell whether a model exists."""
    name: str = request.path_params["name"]
    retired = simulated_failure(name) if failure_of(name) == "retired" else None
    return retired or JSONResponse({"id": name, "type": "model"})


def unsupported(model: str, body: dict[str, Any]) -> Response | None:
    """Reject what newer models reject: sampling parameters, a thinking budget, a prefilled answer."""
    if model.startswith("claude-haiku-4"):
        return None
    thinking: Any = body.get("thinking") or {}
    rejected = [name for name in ("temperature", "top_p", "top_k") if name in body]
    if rejected or thinking.get("type") == "enabled" or body["messages"][-1]["role"] != "user":
        return _error(400, "invalid_request_error", f"{model} does not support this request")
    return None


async def health(_request: Request) -> Response:
    """Answer once the rules are loaded."""
    await asyncio.to_thread(analyze, "He go home.")
    return PlainTextResponse("ok")


def _error(status: int, kind: str, message: str) -> Response:
    return JSONResponse({"type": "error", "error": {"type": kind, "message": message}}, status)


app = Starlette(
    routes=[
        Route("/v1/messages", messages, methods=["POST"]),
        Route("/v1/models/{name}", model),
        Route("/healthz", health),
    ]
)

if __name__ == "__main__":
    serve_on_port(app, "A stand-in for Claude, on this machine: grammar rules and counting.")
