"""Verifies QStash's signatures. https://upstash.com/docs/qstash/features/security"""

import asyncio
import base64
import hashlib
import time
from collections.abc import Mapping
from typing import Any

import structlog

from app.refusals import InvalidSignature, MissingSignature, NotConfigured

log = structlog.get_logger()

# Our clock may be behind QStash's by up to this.
CLOCK_TOLERANCE_S = 5


class SignatureVerifier:
    """Decides whether a request comes from QStash, with the SDK's Receiver.

    ``keys`` are the current and next key of each region. The key ``""`` holds those for every other delivery.
    """

    def __init__(self, keys: Mapping[str, tuple[str, str]]) -> None:
        self._keys = keys

    async def verify(self, signature: str | None, body: bytes, url: str, region: str = "") -> None:
        """Return only if QStash signed exactly this body for exactly this ``url`` and the signature is current.

        ``region`` is the header ``Upstash-Region``. It is not signed, so it only selects among our own keys.
        Waits up to CLOCK_TOLERANCE_S for a token that is not valid yet by our clock, if one of our keys signed it.
        Raises MissingSignature, InvalidSignature, NotConfigured while our own keys are missing.
        """
        if not signature:
            raise MissingSignature
        from qstash import Receiver  # noqa: PLC0415  # 0.13 s: at the first delivery

        region = region.replace("-", "_").upper()
        if region not in self._keys:
            region = ""
        keys = self._keys[region]
        if not all(keys):
            log.error("signing_keys_missing", setting="QSTASH_CURRENT_SIGNING_KEY, QSTASH_NEXT_SIGNING_KEY")
            raise NotConfigured
        early_s = _early_s(signature)
        if 0 < early_s <= CLOCK_TOLERANCE_S and any(_is_signed_with(key, signature) for key in keys):
            await asyncio.sleep(early_s)
        try:
            Receiver(*keys).verify(signature=signature, body=body.decode(), url=url)
        # The SDK raises SignatureError, but also KeyError and AttributeError for malformed claims.
        except Exception:
            log.warning("signature_refused", reason=_reason(signature, url), region=region or "default")
            raise InvalidSignature from None


def _early_s(signature: str) -> float:
    """How far the start of a token's validity lies ahead of our clock, in seconds. Does not check the signature.

    The Receiver passes its ``clock_tolerance`` to PyJWT where PyJWT ignores it, and PyJWT refuses an ``iat`` or ``nbf``
    in the future. So a clock one second behind QStash's would refuse every delivery.
    """
    try:
        claims = _unverified(signature)
        return max(float(claims.get("iat") or 0), float(claims.get("nbf") or 0)) - time.time()
    except Exception:
        # The Receiver refuses malformed claims.
        return 0.0


def _is_signed_with(key: str, signature: str) -> bool:
    import jwt  # noqa: PLC0415  # 77 ms: at the first delivery

    try:
        jwt.PyJWS().decode(signature, key, algorithms=["HS256"])
    except jwt.PyJWTError:
        return False
    return True


def _unverified(signature: str) -> dict[str, Any]:
    import jwt  # noqa: PLC0415  # 77 ms: at the first delivery

    return jwt.decode(signature, options={"verify_signature": False})


def _reason(signature: str, url: str) -> str:
    # For the log only: the SDK loses the original reason when it tries the second key.
    try:
        claims = _unverified(signature)
        if claims["exp"] <= time.time():
            return "expired"
        return "signed for another url" if claims["sub"] != url else "wrong key or body"
    except Exception:
        return "not a signature"


def sign(key: str, body: bytes, url: str) -> str:
    """A signature like QStash's, so that ``doctor`` can test a deployment."""
    import jwt  # noqa: PLC0415  # 77 ms: at the first delivery

    now = int(time.time())
    digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode()
    claims = {
        "iss": "Upstash",
        "sub": url,
        "iat": now,
        "nbf": now,
        "exp": now + 60,
        "jti": f"jwt_{now}",
        "body": digest,
    }
    return jwt.encode(claims, key, algorithm="HS256")
