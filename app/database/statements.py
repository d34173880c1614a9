"""Named SQL statements in ``.sql`` files next to the code that uses them, read once at import."""

import re
from pathlib import Path
from typing import LiteralString, cast

_NAME = re.compile(r"^-- name: (\w+)[ \t]*$", re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*--.*\n", re.MULTILINE)


def load_statements(module: str) -> dict[str, LiteralString]:
    """The statements of the ``.sql`` file beside ``module`` (its ``__file__``), by name. Parameters are written ``$1``, ``$2``, …

    Each follows a line ``-- name: claim``; before the first there may be a comment.
    Raises OSError, ValueError for a file without statements, an empty statement or a name that occurs twice.
    """
    file = Path(module).with_suffix(".sql")
    _, *parts = _NAME.split(file.read_text("utf-8"))
    # Comments are stripped: the engine only prepares text that begins with SQL, and every byte passes through four programs.
    bare = (_COMMENT.sub("", text).strip().removesuffix(";") for text in parts[1::2])
    texts = dict(zip(parts[::2], bare, strict=True))
    if not texts or len(texts) < len(parts) // 2 or not all(texts.values()):
        raise ValueError(f"{file.name}: each statement needs a name of its own and a text")
    # Prisma takes literals only, to keep values out of the SQL. These texts are our own.
    return cast("dict[str, LiteralString]", texts)
