"""Creates a session cookie as Auth.js v5 does: https://github.com/nextauthjs/next-auth, packages/core/src/jwt.ts"""

import time
from uuid import uuid4

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwt
from joserfc.jwe import JWERegistry
from joserfc.jwk import OctKey, thumbprint

LIFETIME_S = 30 * 24 * 3600
KEY_BYTES = 64


def cookie_name(app_url: str) -> str:
    """Return Auth.js's name for the cookie. Browsers accept the ``__Secure-`` prefix only on secure cookies."""
    return ("__Secure-" if app_url.startswith("https://") else "") + "authjs.session-token"


def session_cookie(secret: str, app_url: str, user: str, **claims: object) -> str:
    """Return the value of a Cookie header for a signed-in ``user``; ``claims`` override the token's."""
    cookie = cookie_name(app_url)
    info = f"Auth.js Generated Encryption Key ({cookie})"
    secret_key = HKDF(SHA256(), KEY_BYTES, salt=cookie.encode(), info=info.encode()).derive(secret.encode())
    key = OctKey.import_key(secret_key)
    now = int(time.time())
    person = {"externalId": f"local-{user}", "email": f"{user}@example.com", "name": user}
    payload = {**person, "iat": now, "exp": now + LIFETIME_S, "jti": str(uuid4()), **claims}
    # Auth.js finds the key by its thumbprint, made with the hash function of the key's length.
    kid = thumbprint({"kty": "oct", "k": key.dict_value["k"]}, "sha512")
    header = {"alg": "dir", "enc": "A256CBC-HS512", "kid": kid}
    token = jwt.encode(header, payload, key, registry=JWERegistry(algorithms=["dir", "A256CBC-HS512"]))
    return f"{cookie}={token}"
