"""Named SQL statements in ``.sql`` files next to the code that uses them, read once at import."""

import re
from dataclasses import dataclass, field
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)[ \t]*$", re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*--.*\n", re.MULTILINE)

# Every loaded statement, by "file.name". A test prepares each against the migrated tables.
LOADED: dict[str, "Statement"] = {}


@dataclass(frozen=True)
class Statement:
    """One SQL statement. Parameters are written ``$1``, ``$2``, …"""

    name: str
    text: str = field(repr=False)


def load_statements(module: str) -> dict[str, Statement]:
    """The statements of the ``.sql`` file beside ``module`` (its ``__file__``), by name.

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
    statements = {name: Statement(name, text) for name, text in texts.items()}
    LOADED.update({f"{file.stem}.{name}": statement for name, statement in statements.items()})
    return statements
