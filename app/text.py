"""Sanitizes text from outside so that it can be stored: forms, cookies, transcripts and model output."""

# NUL: PostgreSQL's text has none. U+001E: ends the parts of a long transcript (sessions/claim.py). U+0085, U+2028, U+2029:
# Prisma Client Python indents the text of a query, treats these as line breaks and inserts spaces after them.
_UNSTORABLE = {0x00: None, 0x1E: None, 0x85: "\n", 0x2028: "\n", 0x2029: "\n"}


def storable(text: str) -> str:
    """``text`` with everything removed or replaced that a layer below would change or reject. Idempotent.

    Lone surrogates, which UTF-8 cannot encode, become ``?``.

    >>> storable("a\\x00b\\u2028c\\ud83d")
    'ab\\nc?'
    """
    return text.translate(_UNSTORABLE).encode("utf-8", "replace").decode()
