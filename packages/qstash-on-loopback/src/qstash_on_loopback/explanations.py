"""Explains on the page why a delivery failed, and what to check."""

from collections.abc import Mapping

_SIGNATURE_WORDS = ("signature", "subject", "sub ", "jwt", "token", "body hash", "issuer")


def explain(url: str, status: int, headers: Mapping[str, str], body: str, error: str) -> str:
    """Explain a failed attempt. ``headers`` have lower-case names; status 0 means that there was no answer."""
    if status == 0:
        return _no_answer(url, error)
    if status in (301, 302, 303, 307, 308):
        where = headers.get("location", "elsewhere")
        return f"The destination redirects to {where}. Redirects are not followed: publish to that address instead."
    if status in (401, 403):
        return _not_authorized(url, body)
    if status == 489:
        if headers.get("upstash-nonretryable-error", "").lower() == "true":
            return "The destination asked for no more retries (489 with Upstash-NonRetryable-Error: true)."
        return "489 stops retries only together with the header Upstash-NonRetryable-Error: true, which was missing."
    known = {
        400: "The destination rejected the request. Its answer may say why: check the body and the content type.",
        404: f"The destination has no such route: {url}. Check the path, including a trailing slash.",
        405: "The destination does not allow this method. Messages are sent with POST unless Upstash-Method is set.",
        413: "The body is too large for the destination.",
        415: "The destination does not accept this content type. Publish with the Content-Type that it expects.",
        429: "The destination asks for fewer requests. Its Retry-After is honored; use flow control to limit the rate.",
    }
    if status in known:
        return known[status]
    if status >= 500:
        return "The destination failed while handling the request. Check its own log for the cause."
    return f"The destination answered {status}. Only 200 to 299 counts as delivered."


def _no_answer(url: str, error: str) -> str:
    if "refused" in error:
        return f"Connection refused: nothing listens at {url}. Start your application, or check the port."
    if "within" in error:
        return f"{error[:1].upper()}{error[1:]}. It may still be processing the request when the retry arrives."
    if "certificate" in error:
        return f"{error[:1].upper()}{error[1:]}. Use --ca-file to trust a private authority."
    return f"No answer was received: {error}."


def _not_authorized(url: str, body: str) -> str:
    if any(word in body.lower() for word in _SIGNATURE_WORDS):
        return (
            f"The destination refused the signature. The signature is valid only for this exact address (sub): {url}."
            " Verification must use the same scheme, host, port, path and query. Behind a proxy, configure the public"
            " address instead of taking it from the request. Also check both signing keys, and verify the raw body."
        )
    return (
        "The destination refused the request. If it verifies the signature, both signing keys must be the ones that this"
        f" server printed, and the address must be {url}. If it requires a login, exempt this path."
    )
