"""Settings taken from the environment: public address, secret, keys of the real services; and QStash's own server."""

import os
import secrets
from pathlib import Path

import httpx
from qstash_on_loopback.signing import CURRENT_KEY, NEXT_KEY, TOKEN

from local.environment import StackError

OFFICIAL_QSTASH = "http://127.0.0.1:8080"


def app_url(default: str) -> str:
    """Return ``APP_URL`` if it is set, otherwise ``default``. Raises StackError."""
    url = os.environ.get("APP_URL", "").rstrip("/")
    if url and not url.startswith(("http://", "https://")):
        raise StackError("APP_URL must start with http:// or https://")
    return url or default


def auth_secret(directory: Path) -> str:
    """Return ``AUTH_SECRET`` or ``NEXTAUTH_SECRET`` if set, otherwise a random secret kept in ``directory``."""
    secret = secret_in_environment()
    if secret:
        return secret
    # Kept, so that cookies stay valid after a restart.
    file = directory / "auth-secret"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(32))
    return file.read_text()


def secret_in_environment() -> str | None:
    """Return ``AUTH_SECRET`` or ``NEXTAUTH_SECRET``, or None if neither is set."""
    return os.environ.get("AUTH_SECRET") or os.environ.get("NEXTAUTH_SECRET") or None


def provider(name: str) -> dict[str, str]:
    """Return the key and the base URL of ``OPENAI`` or ``ANTHROPIC``; empty without a key."""
    names = (f"{name}_API_KEY", f"{name}_BASE_URL")
    return {each: os.environ[each] for each in names if each in os.environ} if os.environ.get(names[0]) else {}


def official_qstash_is_running() -> bool:
    """Whether QStash's own development server is running on its default port."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    try:
        answer = httpx.get(f"{OFFICIAL_QSTASH}/v2/keys", headers=headers, timeout=2, trust_env=False)
        return answer.json() == {"current": CURRENT_KEY, "next": NEXT_KEY}
    except (httpx.HTTPError, ValueError):
        return False
