"""Verification of QStash's signatures with the SDK's receiver, and with the clock tolerance that the SDK ignores."""

import asyncio
import base64
import hashlib
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
import qstash.receiver
from qstash_on_loopback.signing import CURRENT_KEY, NEXT_KEY

from app.adapters.qstash.signatures import SignatureVerifier
from app.errors import Refused

URL = "https://api.example.com/api/internal/process"
BODY = b'{"sessionId":"c1"}'


def signed(key: str = CURRENT_KEY, algorithm: str = "HS256", **changes: Any) -> str:
    """A token like QStash's, with changes; None removes a claim."""
    now = int(time.time())
    claims: dict[str, Any] = {"iss": "Upstash", "sub": URL, "iat": now, "nbf": now, "exp": now + 300, "jti": "jwt_1"}
    claims["body"] = base64.urlsafe_b64encode(hashlib.sha256(BODY).digest()).decode()
    claims |= changes
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm=algorithm)


def accepts(token: str, body: bytes = BODY, url: str = URL) -> bool:
    """Whether the token is accepted."""
    try:
        asyncio.run(SignatureVerifier({"": (CURRENT_KEY, NEXT_KEY)}).verify(token, body, url))
    except Refused as error:
        assert (error.status, error.message) == (401, "Invalid signature")
        return False
    return True


def now(offset_s: int) -> int:
    """The time ``offset_s`` from now, in whole seconds."""
    return int(time.time()) + offset_s


def unpadded() -> str:
    """The body claim without padding, as written by some SDKs."""
    return base64.urlsafe_b64encode(hashlib.sha256(BODY).digest()).decode().rstrip("=")


@pytest.mark.parametrize(
    "token",
    [
        lambda: signed(),
        lambda: signed(NEXT_KEY),
        lambda: signed(nbf=0),
        lambda: signed(body=unpadded()),
        lambda: signed(NEXT_KEY, body=unpadded(), nbf=0),
        lambda: signed(iat=now(4), nbf=now(4), exp=now(304)),
        lambda: signed(iat=None, jti=None),
        lambda: signed(aud=""),
    ],
)
def test_qstashs_own_are_accepted(token: Callable[[], str]) -> None:
    """With both keys, both encodings of the hash, and a QStash clock up to five seconds ahead of ours."""
    assert accepts(token())


@pytest.mark.parametrize(
    "token",
    [
        lambda: signed(exp=now(-1)),
        lambda: signed(NEXT_KEY, exp=now(-1)),
        lambda: signed(iat=now(30), nbf=now(30)),
        lambda: signed("sig_of_somebody_else_long_enough!"),
        lambda: signed(iss="upstash"),
        lambda: signed(iss=None),
        lambda: signed(sub=None),
        lambda: signed(exp=None),
        lambda: signed(nbf=None),
        lambda: signed(body=None),
        lambda: signed(body=5),
        lambda: signed(body=""),
        lambda: signed(exp="soon"),
        lambda: signed(aud="other"),
        lambda: signed("k" * 64, algorithm="HS512"),
        lambda: signed() + "x",
        lambda: signed()[:-8],
        lambda: jwt.encode({"sub": URL}, "", algorithm="none"),
        lambda: "\x00",
        lambda: "..",
        lambda: "é",
    ],
)
def test_everything_else_is_refused(token: Callable[[], str]) -> None:
    """Expired, future, wrongly signed, incomplete, malformed or truncated tokens get 401, not an SDK exception."""
    assert not accepts(token())


def test_a_forged_token_causes_no_delay() -> None:
    """Only for a token signed with one of our keys do we wait until it becomes valid."""
    started = time.monotonic()
    assert not accepts(signed("sig_of_somebody_else_long_enough!", iat=now(4), nbf=now(4)))
    assert time.monotonic() - started < 2

    assert accepts(signed(iat=now(3), nbf=now(3)))
    assert time.monotonic() - started > 1.5


def test_the_receiver_is_the_sdks_own() -> None:
    """No part of the SDK is replaced."""
    accepts(signed())

    assert vars(qstash.receiver)["jwt"] is jwt


def test_a_signature_is_valid_for_one_body_and_one_address() -> None:
    """Another byte in the body or another slash in the address is refused."""
    token = signed()

    assert not accepts(token, BODY + b" ")
    assert not accepts(token, b"\xff\xfe")
    assert not accepts(token, url=URL + "/")


def test_missing_keys_refuse_every_delivery() -> None:
    """Without keys nothing can be verified, so nothing is accepted."""
    for keys in (("", ""), (CURRENT_KEY, ""), ("", NEXT_KEY)):
        with pytest.raises(Refused) as refused:
            asyncio.run(SignatureVerifier({"": keys}).verify(signed(), BODY, URL))
        assert (refused.value.status, refused.value.code) == (503, "NOT_CONFIGURED")
