"""SQL files: how statements are found, and which files are refused."""

from pathlib import Path

import pytest

from app.database.statements import load_statements


def written(directory: Path, text: str) -> str:
    file = directory / "some.sql"
    file.write_text(text)
    return str(file)


def test_statements_are_found_by_name(tmp_path: Path) -> None:
    """Text before the first name is ignored; comments and a final semicolon are removed."""
    loaded = load_statements(
        written(
            tmp_path, "-- Why.\n-- name: one\nSELECT 1\n-- 1;\n\n-- name: two\n-- For two.\n  SELECT 2,\n  -- 3\n  3;\n"
        )
    )

    assert loaded == {"one": "SELECT 1", "two": "SELECT 2,\n  3"}


@pytest.mark.parametrize("text", ["", "SELECT 1", "-- name: a\n", "-- name: a\nSELECT 1\n-- name: a\nSELECT 2"])
def test_a_file_that_leaves_a_statement_without_name_or_text_is_refused(tmp_path: Path, text: str) -> None:
    """No statement is lost silently."""
    with pytest.raises(ValueError, match=r"some\.sql"):
        load_statements(written(tmp_path, text))
