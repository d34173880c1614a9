"""Administration of flow control: https://upstash.com/docs/qstash/features/flowcontrol"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from qstash_on_loopback.flow_control import FlowKey
from qstash_on_loopback.message import Refusal
from qstash_on_loopback.publish_options import MAX_PERIOD_S
from qstash_on_loopback.requests import error
from qstash_on_loopback.service import service
from qstash_on_loopback.timing import parse_duration


async def list_all(request: Request) -> Response:
    """The state of every key, or of the keys that contain ``search``."""
    wanted = request.query_params.get("search", "")
    keys = service(request).flow_controls.keys
    return JSONResponse([key.as_json() for name, key in keys.items() if wanted in name])


async def get(request: Request) -> Response:
    """The state of one key."""
    key = service(request).flow_controls.keys.get(request.path_params["key"])
    return JSONResponse(key.as_json()) if key else error(404, "flow control key not found")


async def administer(request: Request) -> Response:
    """Pause, resume, pin, unpin or reset a key. Creates the key if it is new."""
    controls, action = service(request).flow_controls, request.path_params["action"]
    if action not in ("pause", "resume", "pin", "unpin", "resetRate"):
        return error(404, "not found")
    limits = {name: _limit(request, name) for name in ("parallelism", "rate")} if action == "pin" else {}
    period_s = _period_s(request) if action == "pin" else 0.0
    if action == "pin" and not any(limits.values()):
        raise Refusal(400, "pin needs parallelism or rate")
    key = controls.key(request.path_params["key"])
    match action:
        case "pause" | "resume":
            key.paused = action == "pause"
        case "pin":
            _pin(key, limits["parallelism"], limits["rate"], period_s)
        case "unpin":
            key.pinned_parallelism &= not _flag(request, "parallelism")
            key.pinned_rate &= not _flag(request, "rate")
        case _:
            key.reset_rate()
    controls.changed(key)
    return Response(status_code=200)


async def global_parallelism(request: Request) -> Response:
    """The number of running deliveries, and the maximum."""
    server_gate = service(request).dispatcher.server_gate
    return JSONResponse({"parallelismMax": server_gate.limit, "parallelismCount": server_gate.running})


def _pin(key: FlowKey, parallelism: int | None, rate: int | None, period_s: float) -> None:
    if parallelism:
        key.limit, key.pinned_parallelism = parallelism, True
    if rate:
        key.rate, key.period_s, key.pinned_rate = rate, period_s, True
    # "Pinning a configuration resets the current state (rate count and period)": openapi.yaml
    key.reset_rate()


def _limit(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:10]) <= 1_000_000:
        raise Refusal(400, f"invalid {name} {text!r}: expected a whole number, at least 1")
    return int(text)


def _period_s(request: Request) -> float:
    text = request.query_params.get("period", "1")
    try:
        period_s = parse_duration(text)
    except ValueError as problem:
        raise Refusal(400, str(problem)) from problem
    if not 1 <= period_s <= MAX_PERIOD_S:
        raise Refusal(400, f"invalid period {text!r}: expected 1 s to a week")
    return period_s


def _flag(request: Request, name: str) -> bool:
    return request.query_params.get(name, "").lower() == "true"
