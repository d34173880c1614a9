"""Reads and moves the server's clock, for tests. Not part of QStash."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstash_on_loopback.message import Refusal
from qstash_on_loopback.requests import read_object
from qstash_on_loopback.service import service
from qstash_on_loopback.timing import MAX_DELAY_S, parse_duration


async def get(request: Request) -> Response:
    """The current time in Unix seconds, as shown in API answers."""
    clock = service(request).clock
    return JSONResponse({"time": clock.shown(), "timeScale": clock.scale})


async def advance(request: Request) -> Response:
    """Move the clock by ``{"advance": "1h30m"}`` or by a number of seconds.

    Answers once everything that became due has been attempted.
    """
    given = await read_object(request, '{"advance": "1h30m"}')
    try:
        seconds = parse_duration(str(given.get("advance")))
    except ValueError as problem:
        raise Refusal(400, f"{problem}: expected " + '{"advance": "1h30m"}') from problem
    if seconds > MAX_DELAY_S:
        raise Refusal(400, "the clock can be moved by at most a year")
    await service(request).advance(seconds)
    return await get(request)
