"""Serves ``POST /v1/audio/transcriptions`` as OpenAI does: ``python -m local.speech --port N``."""

import asyncio
import io
from functools import cache

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from local.audio import Undecodable, decode
from local.serving import serve_on_port
from local.speech.engine import Speech

# "File uploads are currently limited to 25 MB": https://platform.openai.com/docs/guides/speech-to-text
MAX_BYTES = 25 * 1024 * 1024


async def transcriptions(request: Request) -> Response:
    """Transcribe the uploaded file."""
    if not request.headers.get("authorization", "").startswith("Bearer "):
        return _error(401, "You didn't provide an API key.")
    async with request.form() as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            return _error(400, "file is required")
        if (file.size or 0) > MAX_BYTES:
            return _error(413, f"Maximum content size limit ({MAX_BYTES}) exceeded")
        try:
            samples = await asyncio.to_thread(decode, io.BytesIO(await file.read()))
        except Undecodable:
            return _error(400, "Audio file might be corrupted or unsupported")
        text = await asyncio.to_thread(_speech().transcribe, samples)
        if form.get("response_format") == "text":
            return PlainTextResponse(text)
    return JSONResponse({"text": text})


async def health(_request: Request) -> Response:
    """Answers once the model is loaded."""
    await asyncio.to_thread(_speech)
    return PlainTextResponse("ok")


@cache
def _speech() -> Speech:
    return Speech()


def _error(status: int, message: str) -> Response:
    return JSONResponse(
        {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}, status
    )


app = Starlette(routes=[Route("/v1/audio/transcriptions", transcriptions, methods=["POST"]), Route("/healthz", health)])

if __name__ == "__main__":
    serve_on_port(app, "A stand-in for OpenAI's transcription, on this machine.")
