"""Validation of an upload's fields, whether they come as a form or as JSON."""

import re
from collections.abc import Mapping

from app.refusals import InvalidDuration, InvalidText, WrongType
from app.sessions.owner import Details
from app.text import storable

MAX_TOPIC_LENGTH = 10_000
# This is also what the frontend always sends.
DEFAULT_LANGUAGE = "en"
# The longest that browsers send is about 40: audio/webm;codecs="opus,vorbis".
MAX_TYPE_LENGTH = 100
MAX_INT4 = 2**31 - 1

# If the pattern below does not match, it takes time quadratic in the length.
MAX_NUMBER_LENGTH = 100
_DECIMAL = re.compile(r"\s*\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")


def parse_duration(text: str) -> int:
    """Whole seconds of a decimal number such as ``12.5`` or ``1e2``. Raises InvalidDuration for anything else."""
    if len(text) <= MAX_NUMBER_LENGTH and _DECIMAL.fullmatch(text) and float(text) <= MAX_INT4:
        return int(float(text))
    raise InvalidDuration


def require_audio_type(content_type: str) -> str:
    """The type, unchanged. Raises WrongType if it is not an audio type, or cannot be a header of the stored object."""
    is_header = len(content_type) <= MAX_TYPE_LENGTH and content_type.isascii() and content_type.isprintable()
    if is_header and content_type.lower().startswith("audio/"):
        return content_type
    raise WrongType


def parse_details(duration_s: int, fields: Mapping[str, object]) -> Details:
    """``topic`` and ``language`` beside the duration. Raises InvalidText."""
    topic, language = (parse_text(name, fields.get(name)) for name in ("topic", "language"))
    return {"duration_s": duration_s, "topic": topic, "language": language or DEFAULT_LANGUAGE}


def parse_text(name: str, value: object) -> str | None:
    """``topic`` or ``language`` as it is stored, None if absent or empty. Raises InvalidText."""
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_TOPIC_LENGTH:
        raise InvalidText(name, MAX_TOPIC_LENGTH)
    return storable(value) or None
