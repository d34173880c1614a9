"""Identifies the caller: decrypts the session cookie that Auth.js v5 sets.

The format is Auth.js's (https://github.com/nextauthjs/next-auth, packages/core/src/jwt.ts): a JWE with ``alg: dir`` and
``enc: A256CBC-HS512``, its key made by HKDF-SHA256 from the secret with the cookie's name as salt.
"""

import re
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from app.sessions.learner import Learner
from app.text import storable

if TYPE_CHECKING:
    from joserfc.jwk import OctKey

KEY_BYTES = 64
# Auth.js tolerates this much clock skew.
CLOCK_TOLERANCE_S = 15
# PostgreSQL cannot index a key of over 2,704 bytes; identity providers stay below 255 characters.
MAX_EXTERNAL_ID_LENGTH = 255
_CHUNK = re.compile(r"\.[0-9]{1,3}")


class AuthJs:
    """Reads the cookie of requests to an application at ``app_url``."""

    def __init__(self, secret: str, app_url: str) -> None:
        self._secret = secret
        secure = app_url.startswith("https://")
        self.cookie_name = "__Secure-authjs.session-token" if secure else "authjs.session-token"

    def learner(self, cookie_headers: Iterable[str]) -> Learner | None:
        """The signed-in learner, or None: no cookie, garbage, expired, or no ``externalId`` in it.

        ``cookie_headers`` are the values of the request's Cookie headers, usually one.
        """
        token = session_token(cookie_headers, self.cookie_name)
        if not token:
            return None
        claims = self._claims(token)
        if claims is None:
            return None
        external_id = claims.get("externalId")
        # Refused, not altered, if it cannot be stored: two learners must not become one.
        if not isinstance(external_id, str) or not external_id or storable(external_id) != external_id:
            return None
        if len(external_id) > MAX_EXTERNAL_ID_LENGTH:
            return None
        return Learner(external_id, _text(claims.get("email")), _text(claims.get("name")))

    def _claims(self, token: str) -> dict[str, Any] | None:
        from joserfc import jwe, jwt  # noqa: PLC0415  # joserfc and cryptography take 65 ms: at the first cookie
        from joserfc.errors import JoseError  # noqa: PLC0415  # part of these 65 ms

        registry = jwe.JWERegistry(algorithms=["dir", "A256CBC-HS512"])
        current = jwt.JWTClaimsRegistry(leeway=CLOCK_TOLERANCE_S, exp={"essential": True})
        try:
            claims = jwt.decode(token, self._key, registry=registry).claims
            # Only these two, as Auth.js does.
            current.validate({name: claims[name] for name in ("exp", "nbf") if name in claims})
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return claims

    @cached_property
    def _key(self) -> "OctKey":
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415  # part of these 65 ms
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415  # part of these 65 ms
        from joserfc.jwk import OctKey  # noqa: PLC0415  # part of these 65 ms

        salt, info = self.cookie_name, f"Auth.js Generated Encryption Key ({self.cookie_name})"
        hkdf = HKDF(SHA256(), KEY_BYTES, salt=salt.encode(), info=info.encode())
        return OctKey.import_key(hkdf.derive(self._secret.encode()))


def session_token(cookie_headers: Iterable[str], name: str) -> str:
    """The value of the cookie ``name``, joined if it comes in chunks ``name.0``, ``name.1``, …; empty if there is none.

    Reads no other cookie and unquotes nothing: Auth.js never quotes its value, and before Python 3.13 unquoting takes time
    quadratic in the number of backslashes.
    """
    values: dict[str, str] = {}
    for header in cookie_headers:
        for pair in header.split(";"):
            key, _, value = pair.partition("=")
            key = key.strip()
            if key.startswith(name):
                values[key.removeprefix(name)] = value.strip()
    chunks = {int(key[1:]): value for key, value in values.items() if _CHUNK.fullmatch(key)}
    return values.get("") or "".join(chunks[number] for number in sorted(chunks))


def _text(value: object) -> str | None:
    return storable(value) if isinstance(value, str) else None
