"""Builds callbacks and failure callbacks: messages that report the result of another message.

https://upstash.com/docs/qstash/features/callbacks
"""

import base64
import json
from typing import Any

from qstash_on_loopback.message import Callback, Message, canonical
from qstash_on_loopback.publish_options import read_message
from qstash_on_loopback.sender import Outcome


def report(message: Message, callback: Callback, outcome: Outcome, dlq_id: str | None = None) -> Message:
    """The message that reports an attempt to ``callback``, or the final failure if ``dlq_id`` is given."""
    body: dict[str, Any] = {
        "status": outcome.status,
        "header": {canonical(name): [value] for name, value in outcome.headers.items()},
        "body": base64.b64encode(outcome.body or outcome.error.encode()).decode(),
        "retried": message.retried,
        "maxRetries": message.retries,
        "sourceMessageId": message.id,
        "topicName": message.url_group or "",
        "endpointName": message.endpoint or "",
        "url": message.url,
        "method": message.method,
        "sourceHeader": {canonical(name): [value] for name, value in message.headers.items()},
        "sourceBody": base64.b64encode(message.body).decode(),
        "notBefore": str(int((message.not_before or message.created_at) * 1000)),
        "createdAt": str(int(message.created_at * 1000)),
        "scheduleId": message.schedule_id or "",
        "callerIP": message.caller_ip,
    }
    if dlq_id:
        body["dlqId"] = dlq_id
    headers = {"upstash-retries": str(message.retries), **callback.headers, "content-type": "application/json"}
    return read_message(callback.url, headers, json.dumps(body).encode())
