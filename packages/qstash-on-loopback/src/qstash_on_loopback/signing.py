"""Signing keys and signatures of deliveries: https://upstash.com/docs/qstash/features/security"""

import base64
import hashlib
import secrets
import time

import jwt

from qstash_on_loopback.persistence import Persistence

# The fixed, public credentials of the official development server, so that the two are interchangeable.
TOKEN = "eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0="
CURRENT_KEY = "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r"
NEXT_KEY = "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs"
LIFETIME_S = 300
KIND = "keys"


class Keys:
    """The pair of signing keys: the current key signs, and a rotation makes the next key the current one."""

    def __init__(self, persistence: Persistence | None = None) -> None:
        self._persistence = persistence or Persistence()
        kept = dict(self._persistence.all(KIND)).get("pair", {"current": CURRENT_KEY, "next": NEXT_KEY})
        self.current, self.next = kept["current"], kept["next"]

    def rotate(self) -> None:
        """Make the next key the current one, and create a new next key."""
        self.current, self.next = self.next, "sig_" + secrets.token_urlsafe(21)
        self._persistence.put(KIND, "pair", self.as_json())

    def as_json(self) -> dict[str, str]:
        """The pair as ``GET /v2/keys`` returns it."""
        return {"current": self.current, "next": self.next}

    def sign(self, url: str, body: bytes) -> str:
        """A new signature for one attempt to deliver ``body`` to ``url``.

        Its times are real time, because the receiver checks them against a real clock.
        """
        now = int(time.time())
        claims = {
            "iss": "Upstash",
            "sub": url,
            "exp": now + LIFETIME_S,
            "nbf": 0,
            "iat": now,
            "jti": f"jwt_{secrets.token_urlsafe(16)}",
            "body": base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode(),
        }
        return jwt.encode(claims, self.current, algorithm="HS256")
