"""Cheap guards over the code itself: imports, error codes, settings, docstrings."""

import ast
import re
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from prisma.enums import SessionStatus

from app.errors import Code
from app.sessions import status
from app.settings import Settings

ROOT = Path(__file__).parent.parent.parent
APP = sorted((ROOT / "app").rglob("*.py"))
# Modules that every room below may import.
SHARED = {"clock", "errors", "logs", "refusals", "telemetry", "text"}
# Which others each room of app/ may import, besides its own. CONTRIBUTING.md shows this table.
ARROWS = {
    "__main__": {"commands", "checks"},
    "main": {"application", "checks"},
    "commands": {"checks", "settings", "sweep", "recordings", "services", "adapters", "sessions", "database"},
    "application": {"web", "services", "settings"},
    "web": {"pipeline", "sweep", "recordings", "services", "settings", "adapters", "audio", "sessions"},
    "pipeline": {"recordings", "services", "sessions", "analysis"},
    "sweep": {"recordings", "services", "adapters", "sessions"},
    "recordings": {"services", "adapters", "audio", "sessions"},
    "services": {"settings", "adapters", "audio", "database"},
    "adapters": {"audio", "sessions", "analysis"},
    "audio": set[str](),
    "sessions": {"analysis", "database"},
    "analysis": set[str](),
    "database": set[str](),
    "checks": {"settings"},
    "settings": {"setting_types"},
}
SHARED_ARROWS = {"refusals": {"errors"}, "telemetry": {"logs"}}
VENDORS = {
    "prisma",
    "boto3",
    "openai",
    "anthropic",
    "qstash",
    "jwt",
    "joserfc",
    "av",
    "python_multipart",
    "opentelemetry",
}


def home(file: Path) -> str:
    """The file name, or the name of the vendor's own folder below adapters/."""
    return file.parent.name if file.parent.parent.name == "adapters" else file.name


@cache
def imports(file: Path, *, run: bool = False) -> set[str]:
    """All modules that a file imports; with ``run``, without imports that are only for the type checker."""
    found: set[str] = set()
    tree = ast.parse(file.read_text())
    if run:
        tree.body = [node for node in tree.body if not ast.unparse(node).startswith("if TYPE_CHECKING")]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def room(module: str) -> str:
    """The room of app/ that a module is in."""
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("file", APP, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_follow_the_table(file: Path) -> None:
    """Imports go from the outside in, never back, and the application never imports local stand-ins or tests."""
    here = file.relative_to(ROOT / "app").with_suffix("").parts[0]
    found = imports(file)

    assert not any(name.split(".")[0] in ("local", "tests") for name in found)
    allowed = ARROWS[here] | SHARED if here in ARROWS else SHARED_ARROWS.get(here, set())
    assert {room(name) for name in found if name.startswith("app.")} <= allowed | {here}


def test_imports_go_one_way() -> None:
    """No room imports one that imports it, not even through others."""
    TopologicalSorter(ARROWS | SHARED_ARROWS).prepare()


def test_the_layout_is_described_as_it_is() -> None:
    """CONTRIBUTING.md lists the rooms, and what each may import."""
    rows = re.findall(r"^\| (`app/.*?) \| .* \| (.*) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    described = {
        name: {word for word in cell.split(", ") if word != "-"}
        for rooms, cell in rows
        for name in re.findall(r"`app/(\w+)", rooms)
    }

    assert described == {name: arrows for name, arrows in ARROWS.items() if name in described}
    assert described.keys() >= {file.parent.name for file in APP if file.parent.parent.name == "app"} - SHARED


def test_each_vendor_is_imported_in_one_file() -> None:
    """Each vendor package and its exceptions are used in only one place."""
    homes = {
        vendor: {home(file) for file in APP if any(n.split(".")[0] == vendor for n in imports(file, run=True))}
        for vendor in VENDORS
    }

    assert {vendor: files for vendor, files in homes.items() if len(files) > 1} == {}


def test_error_codes_are_all_documented_and_used() -> None:
    """The table of error codes is complete, and every code is used."""
    documented = (ROOT / "docs/errors.md").read_text()
    used = "".join(file.read_text() for file in APP if file.name != "errors.py" or file.parent.name == "web")
    used += (ROOT / "app/errors.py").read_text().split("class AppError")[1]

    assert [code for code in Code if f"`{code.value}`" not in documented] == []
    assert [code for code in Code if f"Code.{code.name}" not in used] == []


def test_every_setting_is_documented() -> None:
    """.env.example contains every setting and nothing else; tests/unit/test_documents.py checks docs/settings.md."""
    names = {name.upper() for name in Settings.model_fields}
    example = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    assert example - {"PRISMA_QUERY_ENGINE_BINARY", "NEXTAUTH_SECRET", "OTEL_EXPORTER_OTLP_ENDPOINT"} == names


def test_a_name_means_one_thing() -> None:
    """No two public functions or classes of app/ have the same name; each command has the same three functions."""
    names = Counter(
        node.name
        for file in APP
        if file.parent.name != "commands"
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if node.name != "main" and not node.name.startswith("_")
    )

    assert [name for name, count in names.items() if count > 1] == []


def test_statuses_are_those_of_the_schema() -> None:
    """The string constants are the same as Prisma's enum."""
    names = [member.value for member in SessionStatus]

    assert sorted(names) == sorted(name for name in vars(status) if name.isupper() and name != "TYPE_CHECKING")
    assert all(getattr(status, name) == name for name in names)


def test_no_sql_in_python() -> None:
    """SQL statements belong in named .sql files."""
    found = re.compile(r"\b(SELECT|UPDATE|INSERT INTO|DELETE FROM)\b.*\b(FROM|SET|VALUES|WHERE)\b")

    assert [file.name for file in APP if found.search(file.read_text())] == []


def test_every_test_says_the_rule_it_protects() -> None:
    """A test must state the rule it protects."""
    undocumented = [
        f"{file.name}:{node.name}"
        for folder in ("tests", "packages")
        for file in (ROOT / folder).rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert undocumented == []


def test_modules_stay_short() -> None:
    """Modules in app/ are short enough to read at once."""
    assert [file.name for file in APP if len(file.read_text().splitlines()) > 190] == []
