"""Serves ``POST /v1/audio/transcriptions`` as OpenAI does: ``python -m local.speech --port N``."""

import asyncio
import io
from functools import cache

from starlette.applications import Starlette
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from local.audio import Undecodable, decode
from local.serving import serve_on_port
from local.simulated_failures import failure_of
from local.speech.engine import Speech

# "File uploads are currently limited to 25 MB": https://platform.openai.com/docs/guides/speech-to-text
MAX_BYTES = 25 * 1024 * 1024
# Models that take one language; newer ones take a list.
OLDER_MODELS = ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe")


async def transcriptions(request: Request) -> Response:
    """Transcribe the uploaded file."""
    if not request.headers.get("authorization", "").startswith("Bearer "):
        return _error(401, "You didn't provide an API key.")
    async with request.form() as form:
        model = str(form.get("model", ""))
        if error := simulated_failure(model) or unsupported(model, form):
            return error
        file = form.get("file")
        if not isinstance(file, UploadFile):
            return _error(400, "file is required")
        if (file.size or 0) > MAX_BYTES:
            return _error(413, f"Maximum content size limit ({MAX_BYTES}) exceeded")
        try:
            samples = await asyncio.to_thread(decode, io.BytesIO(await file.read()))
        except Undecodable:
            return _error(400, "Audio file might be corrupted or unsupported")
        seconds = len(samples) / 16_000
        text = await asyncio.to_thread(_speech().transcribe, samples)
        if form.get("response_format") == "text":
            return PlainTextResponse(text)
    return JSONResponse({"text": text, "usage": {"type": "duration", "seconds": round(seconds, 3)}})


def simulated_failure(model: str) -> Response | None:
    """Return OpenAI's error for a simulated failure: a retired model, an account without credit, a rate limit."""
    match failure_of(model):
        case "retired":
            return _error(
                404, f"The model `{model}` does not exist or you do not have access to it.", "model_not_found"
            )
        case "no credit":
            return _error(429, "You exceeded your current quota.", "insufficient_quota")
        case "rate limited":
            return _error(429, "Rate limit reached for requests.", "rate_limit_exceeded")
        case _:
            return None


async def model(request: Request) -> Response:
    """Tell whether a model exists."""
    name: str = request.path_params["name"]
    retired = simulated_failure(name) if failure_of(name) == "retired" else None
    return retired or JSONResponse({"id": name, "object": "model"})


def unsupported(model: str, form: FormData) -> Response | None:
    """Reject the parameters that the real model rejects."""
    newer = model not in OLDER_MODELS
    for name in ("language",) if newer else ("languages[]", "keywords[]"):
        if name in form:
            return _error(
                400, f"Unsupported parameter for {model}: {name}", "unsupported_parameter", name.removesuffix("[]")
            )
    return None


async def health(_request: Request) -> Response:
    """Answer once the model is loaded."""
    await asyncio.to_thread(_speech)
    return PlainTextResponse("ok")


@cache
def _speech() -> Speech:
    return Speech()


def _error(status: int, message: str, code: str | None = None, parameter: str | None = None) -> Response:
    return JSONResponse(
        {"error": {"message": message, "type": "invalid_request_error", "param": parameter, "code": code}}, status
    )


app = Starlette(
    routes=[
        Route("/v1/audio/transcriptions", transcriptions, methods=["POST"]),
        Route("/v1/models/{name}", model),
        Route("/healthz", health),
    ]
)

if __name__ == "__main__":
    serve_on_port(app, "A stand-in for OpenAI's transcription, on this machine.")
