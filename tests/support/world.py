"""The test environment: the application on a socket, with its database, storage and providers."""

import base64
import json
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from qstash_on_loopback.signing import Keys

from app.services import Services
from app.settings import Settings
from local.postgres import Postgres
from local.storage import Storage
from local.token import session_cookie
from tests.support.providers import Providers

SECRET = "a secret for tests only, long enough"
AUDIO = b"\x1aE\xdf\xa3 not really a recording, but nobody here decodes it" * 20


@dataclass
class MigratedDatabase:
    """A migrated database, for reading and changing it from outside the application."""

    server: Postgres
    name: str

    @property
    def url(self) -> str:
        """The database URL."""
        return self.server.url_of(self.name)

    def execute(self, sql: str) -> str:
        """Run statements, and return their output."""
        return self.server.psql(sql, self.name)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query."""
        printed = self.execute(f"SELECT row_to_json(q) FROM ({sql}) q")
        return [json.loads(line) for line in printed.splitlines()]

    def session(self, session_id: str) -> dict[str, Any]:
        """The row of a session."""
        [row] = self.rows(f"SELECT * FROM speaking_sessions WHERE id = '{session_id}'")
        return row

    def clear(self) -> None:
        """Empty every table."""
        # Every other table refers to users and cascades. TRUNCATE would take longer on small tables.
        self.execute("DELETE FROM users")


@dataclass
class World:
    """The running application with its database, storage and providers."""

    url: str
    settings: Settings
    database: MigratedDatabase
    storage: Storage
    providers: Providers
    keys: Keys
    services: list[Services] = field(default_factory=list[Services])

    def forget_models(self) -> None:
        """Make the application forget which models were not available."""
        for services in self.services:
            for models in (services.whisper.models, services.claude.models):
                models._gone_until.clear()  # pyright: ignore[reportPrivateUsage]  # expires in production

    def client(self, user: str = "ada", **claims: Any) -> httpx.Client:
        """An HTTP client with the session cookie of ``user``."""
        cookie = session_cookie(SECRET, self.settings.app_url, user, **claims)
        return httpx.Client(base_url=self.url, headers={"cookie": cookie}, timeout=60, trust_env=False, verify=False)

    def upload(
        self, user: str = "ada", content: bytes = AUDIO, content_type: str = "audio/webm;codecs=opus", **fields: str
    ) -> str:
        """Upload a recording as a browser does, and return the session's id."""
        with self.client(user) as client:
            data = {"duration": "12.5", "language": "en", **fields}
            answer = client.post("/api/sessions", files={"audio": ("blob", content, content_type)}, data=data)
        assert answer.status_code == 201, answer.text
        session_id: str = answer.json()["id"]
        return session_id

    def deliver(self, session_id: str, retried: int = 0) -> httpx.Response:
        """Deliver a session's message as QStash does."""
        body = json.dumps({"sessionId": session_id}, separators=(",", ":")).encode()
        return self.signed("/api/internal/process", body, {"upstash-retried": str(retried)})

    def deliver_failure(self, session_id: str, status: int = 500, **more: object) -> httpx.Response:
        """Call the failure callback as QStash does after the last attempt."""
        source = base64.b64encode(json.dumps({"sessionId": session_id}).encode()).decode()
        body = json.dumps({"status": status, "sourceBody": source, "dlqId": "1-0", **more}).encode()
        return self.signed("/api/internal/process-failed", body)

    def signed(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
        """POST ``body`` with a valid signature."""
        signature = self.keys.sign(self.settings.app_url + path, body)
        given = {"upstash-signature": signature, "content-type": "application/json", **(headers or {})}
        return httpx.post(self.url + path, content=body, headers=given, timeout=60, trust_env=False, verify=False)

    def deliver_until_quiet(self, session_id: str, attempts: int = 4) -> httpx.Response:
        """Deliver as QStash does: until success, an answer that stops the retries, or the last attempt."""
        answer = self.deliver(session_id)
        for retried in range(1, attempts):
            if answer.is_success or answer.status_code == 489:
                break
            answer = self.deliver(session_id, retried)
        return answer


def with_settings(services: Services, **changes: object) -> Services:
    """The same services with changed settings, which are not validated again."""
    return replace(services, settings=services.settings.model_copy(update=changes))
