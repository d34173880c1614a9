"""Says in words why a delivery was refused, and what to look at, for the page."""

from collections.abc import Mapping

_SIGNATURE_WORDS = ("signature", "subject", "sub ", "jwt", "token", "body hash", "issuer")


def explain(url: str, status: int, headers: Mapping[str, str], body: str, error: str) -> str:
    """One or two sentences on an attempt that failed. ``headers`` have names in lower case; status 0 is no answer."""
    if status == 0:
        return _no_answer(url, error)
    if status in (301, 302, 303, 307, 308):
        where = headers.get("location", "elsewhere")
        return f"The destination redirects to {where}. Redirects are not followed: publish to that address itself."
    if status in (401, 403):
        return _not_authorized(url, body)
    if status == 489:
        if headers.get("upstash-nonretryable-error", "").lower() == "true":
            return "The destination asked for no more retries (489 with Upstash-NonRetryable-Error: true)."
        return (
            "489 stops the retries only together with the header Upstash-NonRetryable-Error: true, which was missing."
        )
    known = {
        400: "The destination did not accept the request. Its answer may say why: look at the body and the content type.",
        404: f"The destination has no such route: {url}. Compare the path, a trailing slash included.",
        405: "The destination does not allow this method. Messages are sent by POST unless Upstash-Method says otherwise.",
        413: "The body is too large for the destination.",
        415: "The destination does not take this content type. Publish with the Content-Type that it expects.",
        429: "The destination asks for fewer requests. Its Retry-After is obeyed; flow control limits the rate beforehand.",
    }
    if status in known:
        return known[status]
    if status >= 500:
        return "The destination failed while it handled the request. Its own log says why."
    return f"The destination answered {status}. Only 200 to 299 counts as delivered."


def _no_answer(url: str, error: str) -> str:
    if "refused" in error:
        return f"Connection refused: nothing listens at {url}. Start your application, or compare the port."
    if "within" in error:
        return f"{error[:1].upper()}{error[1:]}. It may still be working on it: a retry then comes on top."
    if "certificate" in error:
        return f"{error[:1].upper()}{error[1:]}. Trust a private authority with --ca-file."
    return f"No answer came: {error}."


def _not_authorized(url: str, body: str) -> str:
    if any(word in body.lower() for word in _SIGNATURE_WORDS):
        return (
            f"The destination refused the signature. It is valid for exactly this address (sub): {url}. The verification must"
            " compare with the same one: scheme, host, port, path and query. Behind a proxy, set the public address yourself"
            " instead of taking it from the request. Also compare both signing keys, and verify the raw body."
        )
    return (
        "The destination refused the request. If it verifies the signature: both signing keys must be those that this server"
        f" printed, and the address must be {url}. If it asks for a login, let this path through."
    )
