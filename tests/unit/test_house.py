"""Cheap guards over the code itself: imports, error codes, settings, docstrings."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from prisma.enums import SessionStatus

from app.errors import Code
from app.sessions import status
from app.settings import Settings

ROOT = Path(__file__).parent.parent.parent
APP = sorted((ROOT / "app").rglob("*.py"))
# Which rooms of app/ each room may import; from the outside in, never back.
ARROWS = {
    "__main__": {"commands", "checks"},
    "main": {"application", "checks", "logs"},
    "checks": {"settings"},
    "settings": {"setting_types"},
    "commands": {
        *("commands", "services", "sessions", "adapters", "checks", "settings", "errors", "sweep", "recordings", "lazy"),
        *("database", "logs"),
    },
    "application": {"web", "services", "settings", "errors"},
    "telemetry": {"exporter"},
    "exporter": {"telemetry", "logs"},
    "refusals": {"errors"},
    "web": {
        *("text", "web", "pipeline", "recordings", "sweep", "clock", "adapters", "services", "settings", "sessions"),
        *("errors", "refusals", "telemetry"),
    },
    "pipeline": {"recordings", "services", "sessions", "analysis", "clock", "errors", "telemetry"},
    "sweep": {"recordings", "services", "sessions", "adapters", "errors", "telemetry"},
    "recordings": {"recordings", "services", "sessions", "clock", "adapters", "errors", "refusals", "telemetry"},
    "services": {"adapters", "database", "lazy", "settings", "telemetry"},
    "adapters": {
        *("text", "clock", "adapters", "analysis", "recordings", "sessions", "errors", "refusals", "lazy", "telemetry"),
    },
    "sessions": {"sessions", "clock", "database", "analysis", "errors", "refusals"},
    "database": {"database", "errors"},
    "analysis": {"text", "analysis"},
}  # fmt: skip
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
    """The file, or the folder of its own that a vendor has below adapters/."""
    return file.parent.name if file.parent.parent.name == "adapters" else file.name


@cache
def imports(file: Path, *, run: bool = False) -> set[str]:
    """Every module a file imports, anywhere in it; with ``run`` without what only the type checker imports."""
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
    """From the outside in, never back; and the application never imports what stands in for the cloud."""
    here = file.relative_to(ROOT / "app").with_suffix("").parts[0]
    found = imports(file)

    assert not any(name.split(".")[0] in ("local", "tests") for name in found)
    assert {room(name) for name in found if name.startswith("app.")} <= ARROWS.get(here, set())


def test_each_vendor_is_imported_in_one_file() -> None:
    """Vendor packages, and their exceptions, stop at one door."""
    homes = {
        vendor: {home(file) for file in APP if any(n.split(".")[0] == vendor for n in imports(file, run=True))}
        for vendor in VENDORS
    }

    assert {vendor: files for vendor, files in homes.items() if len(files) > 1} == {}


def test_error_codes_are_all_documented_and_used() -> None:
    """The table is complete, and no code is without use."""
    documented = (ROOT / "docs/errors.md").read_text()
    used = "".join(file.read_text() for file in APP if file.name != "errors.py" or file.parent.name == "web")
    used += (ROOT / "app/errors.py").read_text().split("class AppError")[1]

    assert [code for code in Code if f"`{code.value}`" not in documented] == []
    assert [code for code in Code if f"Code.{code.name}" not in used] == []


def test_every_setting_is_documented() -> None:
    """In .env.example, and nothing else is there; tests/unit/test_documents.py checks docs/settings.md."""
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
    """The plain strings that stand for Prisma's enum."""
    names = [member.value for member in SessionStatus]

    assert sorted(names) == sorted(name for name in vars(status) if name.isupper() and name != "TYPE_CHECKING")
    assert all(getattr(status, name) == name for name in names)


def test_no_sql_in_python() -> None:
    """Statements stand in named .sql files."""
    found = re.compile(r"\b(SELECT|UPDATE|INSERT INTO|DELETE FROM)\b.*\b(FROM|SET|VALUES|WHERE)\b")

    assert [file.name for file in APP if found.search(file.read_text())] == []


def test_every_test_says_the_rule_it_protects() -> None:
    """A test without a sentence protects nobody knows what."""
    silent = [
        f"{file.name}:{node.name}"
        for folder in ("tests", "packages")
        for file in (ROOT / folder).rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert silent == []


def test_modules_stay_short() -> None:
    """Nothing in app/ needs a second read for its length."""
    assert [file.name for file in APP if len(file.read_text().splitlines()) > 190] == []
