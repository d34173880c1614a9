"""Text from outside, made fit to store: one function for forms, cookies, transcripts and model output."""

# NUL: PostgreSQL's text has none. U+001E: ends the parts of a long transcript (sessions/claim.py). U+0085, U+2028, U+2029:
# Prisma Client Python indents the text of a query, takes these for line ends and puts spaces behind them.
_UNSTORABLE = {0x00: None, 0x1E: None, 0x85: "\n", 0x2028: "\n", 0x2029: "\n"}


def storable(text: str) -> str:
    """``text`` as every layer below stores it unchanged. Lone surrogates, which UTF-8 cannot hold, become ``?``. Idempotent.

    >>> storable("a\\x00b\\u2028c\\ud83d")
    'ab\\nc?'
    """
    return text.translate(_UNSTORABLE).encode("utf-8", "replace").decode()
