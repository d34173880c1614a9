"""The documentation matches the code: generated pages are current, and everything they name exists."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from app.errors import AGAIN, NOT_AGAIN
from app.settings import Settings
from tests.documents import DOCS, PAGES
from tests.support.commands import blocks

ROOT = DOCS.parent
PROSE = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_current(name: str) -> None:
    """Run `make docs` after changing the source of a generated page."""
    assert (DOCS / name).read_text() == PAGES[name]()


@pytest.mark.parametrize("file", PROSE, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_resolve(file: Path) -> None:
    """Every relative link points to a file or a folder of the repository."""
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", file.read_text())

    assert [target for target in targets if not (file.parent / target).exists()] == []


def test_named_tests_exist() -> None:
    """Every test that the documentation names exists."""
    sources = [file for folder in ("tests", "packages") for file in (ROOT / folder).rglob("test_*.py")]
    known = {file.name for file in sources} | {file.stem for file in sources}
    for source in sources:
        nodes = ast.walk(ast.parse(source.read_text()))
        known |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}

    named = {name for file in PROSE for name in re.findall(r"(?<![\w*])test_\w+(?:\.py)?(?![\w*])", file.read_text())}
    assert named - known == set()
    assert len(named) > 20


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md", "docs/deploy.md"])
def test_each_block_of_commands_is_run_or_says_why_not(page: str) -> None:
    """Commands that no test runs would break unnoticed."""
    found = blocks(page)

    assert found
    assert [block.text for block in found if block.mark is None] == []


@pytest.mark.parametrize("file", ["docs/api.md", "docs/page.md", "docs/quickstart.md", "local/page/static/status.js"])
def test_the_retry_phrase_matches_the_error_messages(file: str) -> None:
    """FAILED is not final only if the error message contains this phrase."""
    [phrase] = set(re.findall("tried again automatically", (ROOT / file).read_text()))

    assert phrase in AGAIN and phrase not in NOT_AGAIN


def test_each_guarantee_of_the_readme_names_a_test() -> None:
    """Every guarantee has a test."""
    table = (ROOT / "README.md").read_text().partition("## Guarantees")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| guarantee")]

    assert len(rows) >= 8
    assert [row for row in rows if "test_" not in row.split("|")[2]] == []


def test_defaults_of_settings_are_those_of_the_code() -> None:
    """The table in docs/settings.md has every setting, with its default."""
    listed: dict[str, str] = {}
    for line in (DOCS / "settings.md").read_text().splitlines():
        if line.startswith("| `"):
            _, names, *_, default, _ = line.split("|")
            listed |= {name: default.strip().strip("`") for name in re.findall(r"`([A-Z0-9_]+)`", names)}
    expected: dict[str, str] = {}
    for name, field in Settings.model_fields.items():
        default = field.default.get_secret_value() if hasattr(field.default, "get_secret_value") else field.default
        expected[name.upper()] = "required" if field.is_required() else str(default) or "empty"

    assert listed == expected


def test_version_is_that_of_the_newest_release() -> None:
    """The version in pyproject.toml is that of the newest release in the changelog."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    releases = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert releases[0] == version
