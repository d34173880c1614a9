"""How often the SDKs of OpenAI and Anthropic, which are built alike, try a request."""

from collections.abc import Mapping

# The default of both: three attempts within seconds, a Retry-After of up to a minute obeyed. The delivery's deadline ends them.
SDK_RETRIES = 2


def attempts(request_headers: Mapping[str, str]) -> int:
    """How many attempts were made when the last request had these headers."""
    count = request_headers.get("x-stainless-retry-count", "0")
    return int(count) + 1 if count.isdecimal() else 1
