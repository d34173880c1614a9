"""What QStash knows about our messages, for operators: events, dead letters, the schedule."""

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.adapters.qstash.queue import Queue, unless_gone
from app.clock import as_json

if TYPE_CHECKING:
    from qstash.dlq import DlqMessage

# Maximum number of pages read of a listing.
MAX_PAGES = 200


class QueueInspection(Queue):
    """Every method raises Unavailable, QueueRefused."""

    async def events(self, session_id: str) -> list[dict[str, Any]]:
        """The events of a session's messages, newest first: times, states and ids."""
        answer = await self._call(lambda client: client.log.list(filter={"label": session_id}))
        return [
            {
                "time": _as_iso(event.time),
                "state": event.state.value,
                "message_id": event.message_id,
                "status": event.response_status,
                "next_delivery": _as_iso(event.next_delivery_time),
            }
            for event in answer.logs
        ]

    async def dead_letters(self, app_url: str, sweep_url: str) -> list[dict[str, Any]]:
        """Messages to this service that QStash has given up on: id, time, last status, path and session."""
        letters, ours = list["DlqMessage"](), {self._message["url"], self._message["failure_callback"], sweep_url}
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await self._call(lambda client, cursor=cursor: client.dlq.list(cursor=cursor))
            letters += page.messages
            cursor = page.cursor
            if not cursor:
                break
        return [
            {
                "id": letter.dlq_id,
                "failed_at": _as_iso(letter.created_at),
                "status": letter.response_status,
                "path": letter.url.removeprefix(app_url),
                "session_id": _session_of(letter),
            }
            for letter in letters
            if letter.url in ours
        ]

    async def delete_dead_letter(self, letter_id: str) -> None:
        """Delete a dead letter, if it exists."""
        with unless_gone():
            await self._call(lambda client: client.dlq.delete(letter_id))

    async def cancel(self, session_id: str) -> int:
        """Cancel the messages of a session that are not delivered yet, and return their number."""
        events = await self.events(session_id)
        ids = sorted({event["message_id"] for event in events})
        return await self._call(lambda client: client.message.cancel_many(ids)) if ids else 0

    async def find_schedule(self, schedule_id: str) -> dict[str, Any] | None:
        """The sweep's schedule, or None."""
        for schedule in await self._call(lambda client: client.schedule.list()):
            if schedule.schedule_id == schedule_id:
                return {
                    "destination": schedule.destination,
                    "cron": schedule.cron,
                    "paused": schedule.paused,
                    "last_run": _as_iso(schedule.last_schedule_time),
                    "next_run": _as_iso(schedule.next_schedule_time),
                    "last_states": {key: state.value for key, state in (schedule.last_schedule_states or {}).items()},
                }
        return None

    async def signing_keys(self) -> tuple[str, str]:
        """The current and the next signing key of the account."""
        keys = await self._call(lambda client: client.signing_key.get())
        return keys.current, keys.next


def _as_iso(milliseconds: int | None) -> str | None:
    return as_json(datetime.fromtimestamp(milliseconds / 1000, UTC)) if milliseconds else None


def _session_of(letter: "DlqMessage") -> str | None:
    """The session named in a message or, if it is a failure callback, in the message that the callback is about."""
    try:
        body = json.loads(letter.body or base64.b64decode(letter.body_base64 or ""))
        if "sourceBody" in body:
            body = json.loads(base64.b64decode(body["sourceBody"]))
        session_id = body["sessionId"]
    except (ValueError, TypeError, KeyError):
        return None
    return session_id if isinstance(session_id, str) else None
