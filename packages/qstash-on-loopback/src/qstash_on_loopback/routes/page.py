"""The debugging page and its data."""

import json
import secrets
from importlib.resources import files
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from qstash_on_loopback.explanations import explain
from qstash_on_loopback.message import Message
from qstash_on_loopback.service import Service, service
from qstash_on_loopback.store import DeadLetter

MAX_ROWS = 100


async def page(request: Request) -> Response:
    """The page, as one file. It contains the token, so it cannot be framed and no foreign scripts run in it."""
    nonce = secrets.token_urlsafe(16)
    text = files("qstash_on_loopback").joinpath("page.html").read_text("utf-8")
    token = json.dumps(service(request).options.token).replace("<", "\\u003c")
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
        "cross-origin-resource-policy": "same-origin",
    }
    return HTMLResponse(text.replace("{{nonce}}", nonce).replace("{{token}}", token), headers=headers)


async def state(request: Request) -> Response:
    """The data of the page: counts, the newest rows of each list, and why deliveries failed."""
    parts = service(request)
    store, now = parts.store, parts.clock.shown()
    pending = list(islice(reversed(store.pending.values()), MAX_ROWS))
    return JSONResponse(
        {
            "time": int(now * 1000),
            "timeScale": parts.clock.scale,
            "counts": {
                "waiting": len(store.pending),
                "running": parts.dispatcher.server_gate.running,
                "parallelism": parts.dispatcher.server_gate.limit,
                "dead": len(store.dead),
            },
            "messages": [_message(parts, message) for message in pending],
            "dead": [_dead_letter(letter) for letter in islice(reversed(store.dead.values()), MAX_ROWS)],
            "events": [event.row for event in islice(reversed(store.events), MAX_ROWS)],
            "schedules": [one.as_json(now) for one in islice(parts.schedules.all.values(), MAX_ROWS)],
            "queues": [one.as_json() for one in islice(parts.queues.all.values(), MAX_ROWS)],
            "flowControl": [one.as_json() for one in islice(parts.flow_controls.keys.values(), MAX_ROWS)],
            "urlGroups": [one.as_json() for one in islice(parts.url_groups.all.values(), MAX_ROWS)],
        }
    )


def _message(parts: Service, message: Message) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "url": message.url,
        "method": message.method,
        "retried": message.retried,
        "maxRetries": message.retries,
        "waitsFor": parts.dispatcher.waits_for(message.id),
        "nextAttempt": int(message.next_attempt_at * 1000),
        "createdAt": int(message.created_at * 1000),
        **{name: value for name, value in message.tags().items() if value is not None},
    }


def _dead_letter(letter: DeadLetter) -> dict[str, Any]:
    row = letter.row
    headers = {name.lower(): values[0] for name, values in row["responseHeader"].items()}
    answer = "" if letter.error else row.get("responseBody", "")
    shown = {name: row[name] for name in ("dlqId", "messageId", "url", "method", "maxRetries", "responseStatus")}
    return {
        **shown,
        "time": letter.stamp,
        "retried": letter.message.retried,
        "answer": answer[:500],
        "why": explain(row["url"], row["responseStatus"], headers, answer, letter.error),
    }
