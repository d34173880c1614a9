"""What the environment gives a stack already: an address, a secret, keys of the real services, a queue."""

import os
import secrets
from pathlib import Path

import httpx
from qstash_on_loopback.signing import CURRENT_KEY, NEXT_KEY, TOKEN

from local.environment import StackError

OFFICIAL_QSTASH = "http://127.0.0.1:8080"


def app_url(own: str) -> str:
    """``APP_URL`` as it was given, else our own address. Raises StackError."""
    given = os.environ.get("APP_URL", "").rstrip("/")
    if given and not given.startswith(("http://", "https://")):
        raise StackError("APP_URL must start with http:// or https://")
    return given or own


def auth_secret(directory: Path) -> str:
    """``AUTH_SECRET`` or ``NEXTAUTH_SECRET`` as it was given, else one of our own."""
    given = given_secret()
    if given:
        return given
    # Kept, so that a cookie made yesterday still works today.
    file = directory / "auth-secret"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(32))
    return file.read_text()


def given_secret() -> str | None:
    """The secret of the environment."""
    return os.environ.get("AUTH_SECRET") or os.environ.get("NEXTAUTH_SECRET") or None


def provider(name: str) -> dict[str, str]:
    """The key and the address of ``OPENAI`` or ``ANTHROPIC``; nothing without a key."""
    names = (f"{name}_API_KEY", f"{name}_BASE_URL")
    return {each: os.environ[each] for each in names if each in os.environ} if os.environ.get(names[0]) else {}


def official_qstash_listens() -> bool:
    """Whether QStash's own development server runs on its usual port."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    try:
        answer = httpx.get(f"{OFFICIAL_QSTASH}/v2/keys", headers=headers, timeout=2, trust_env=False)
        return answer.json() == {"current": CURRENT_KEY, "next": NEXT_KEY}
    except (httpx.HTTPError, ValueError):
        return False
