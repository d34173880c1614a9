"""Who is calling: the session cookie that Auth.js v5 sets, decrypted.

The recipe is Auth.js's own (https://github.com/nextauthjs/next-auth, packages/core/src/jwt.ts): a JWE with ``alg: dir`` and
``enc: A256CBC-HS512``, its key made by HKDF-SHA256 from the secret with the cookie's name as salt.
"""

import json
import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from app.sessions.learner import Learner

if TYPE_CHECKING:
    from joserfc.jwk import OctKey

KEY_BYTES = 64
# Auth.js forgives this much clock difference.
CLOCK_TOLERANCE_S = 15


class AuthJs:
    """Reads the cookie of requests to an application at ``app_url``."""

    def __init__(self, secret: str, app_url: str) -> None:
        self._secret = secret
        secure = app_url.startswith("https://")
        self.cookie_name = "__Secure-authjs.session-token" if secure else "authjs.session-token"

    def learner(self, cookies: Mapping[str, str]) -> Learner | None:
        """The signed-in learner, or None: no cookie, garbage, expired, or no ``externalId`` in it."""
        token = _joined(cookies, self.cookie_name)
        if not token:
            return None
        claims = self._claims(token)
        if claims is None or not _current(claims, time.time()):
            return None
        external_id = claims.get("externalId")
        if not isinstance(external_id, str) or not external_id or "\x00" in external_id:
            return None
        return Learner(external_id, _text(claims.get("email")), _text(claims.get("name")))

    def _claims(self, token: str) -> dict[str, Any] | None:
        from joserfc import jwe
        from joserfc.errors import JoseError

        try:
            plaintext = jwe.decrypt_compact(token, self._key, algorithms=["dir", "A256CBC-HS512"]).plaintext
            claims: Any = json.loads(plaintext or b"")
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return claims if isinstance(claims, dict) else None  # pyright: ignore[reportUnknownVariableType]  # JSON

    @cached_property
    def _key(self) -> "OctKey":
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF
        from joserfc.jwk import OctKey

        salt, info = self.cookie_name, f"Auth.js Generated Encryption Key ({self.cookie_name})"
        hkdf = HKDF(SHA256(), KEY_BYTES, salt=salt.encode(), info=info.encode())
        return OctKey.import_key(hkdf.derive(self._secret.encode()))


def _joined(cookies: Mapping[str, str], name: str) -> str:
    # A value over the browser's limit comes in chunks name.0, name.1, …
    chunks = {
        int(suffix): value
        for key, value in cookies.items()
        if key.startswith(name + ".") and (suffix := key[len(name) + 1 :]).isdecimal() and len(suffix) < 4
    }
    return cookies.get(name) or "".join(chunks[number] for number in sorted(chunks))


def _current(claims: Mapping[str, Any], now: float) -> bool:
    exp, nbf = claims.get("exp", now), claims.get("nbf", now)
    if not isinstance(exp, int | float) or not isinstance(nbf, int | float):
        return False
    return nbf - CLOCK_TOLERANCE_S <= now < exp + CLOCK_TOLERANCE_S


def _text(value: object) -> str | None:
    return value.replace("\x00", "") if isinstance(value, str) else None
