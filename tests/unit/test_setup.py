"""Setup: pip's configuration is translated for uv, and the locks agree with each other and with pyproject.toml."""

import re
import struct
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from local.setup import pip_settings
from local.setup.lock import CONTENTS
from tests.unit.test_house import ROOT, imports

LOCKS = ROOT / "locks"


def pins(name: str) -> set[str]:
    """The pinned releases in a lock, without their markers."""
    return {line.split()[0] for line in (LOCKS / f"{name}.lock").read_text().splitlines() if line[:1].isalnum()}


def test_each_lock_has_the_pins_of_pyproject_and_agrees_with_the_largest() -> None:
    """So that no lock is forgotten when a pin changes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    server = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["server"]]

    assert {file.stem for file in LOCKS.iterdir()} == CONTENTS.keys()
    assert set(server) <= pins("app")
    assert set(project["project"]["dependencies"]) | set(groups["local"]) <= pins("demo") < pins("tests")
    assert {*server, *groups["local"], *groups["tests"]} <= pins("tests") < pins("tools")
    assert set(groups["tools"]) | pins("app") | pins("node") | pins("installer") <= pins("tools")


def test_every_pin_is_locked_for_every_platform() -> None:
    """A lock created with a partial index would contain the files of only one platform."""
    for name in CONTENTS:
        blocks = re.split(r"\n(?=\w)", (LOCKS / f"{name}.lock").read_text())
        numpy = [block for block in blocks if block.startswith(("numpy==", "cryptography=="))]
        assert all(block.count("--hash=") > 20 for block in numpy), name


def test_the_demo_installs_nothing_that_only_a_developer_needs() -> None:
    """So that the demo's setup stays small."""
    names = {pin.partition("==")[0] for pin in pins("demo")}

    assert not names & {"playwright", "basedpyright", "hypothesis", "boto3-stubs", "pytest", "ruff", "uv", "uvloop"}


def test_set_up_imports_nothing_but_the_standard_library() -> None:
    """It runs before anything is installed."""
    found = {name for file in (ROOT / "local" / "setup").glob("*.py") for name in imports(file)}

    assert {name.split(".")[0] for name in found} & {"httpx", "psutil", "app", "pydantic", "uvicorn"} == set()
    assert {name for name in found if name.startswith("local")} <= {
        name for name in found if name.startswith("local.setup")
    }


def test_the_repository_names_no_index() -> None:
    """Set-up uses the package index that pip and npm are configured for."""
    files = [*LOCKS.iterdir(), *ROOT.glob("*/package-lock.json"), ROOT / "pyproject.toml", ROOT / "Makefile"]
    files += [*(ROOT / "local" / "setup").glob("*.py"), *ROOT.glob("*/.npmrc")]
    named = re.compile(r"pypi\.org|pythonhosted|registry\.npmjs|index-url *=|registry *=")

    assert [file.name for file in files if named.search(file.read_text())] == []


LISTING = """:env:.cert='/etc/own.pem'
:env:.find-links='/opt/wheels'
global.cert='/etc/other.pem'
global.extra-index-url='https://one.example/simple https://two.example/simple'
global.index-url='https://user:word@mirror.example/simple'
global.timeout='60'
freeze.timeout='10'
"""


def test_pips_configuration_reaches_uv() -> None:
    """Indexes, certificates and timeouts, with pip's precedence. Missing folders are left out."""
    listing = LISTING.replace("/opt/wheels", "/no/such/folder /usr")

    assert pip_settings.for_uv(pip_settings.parse(listing), {}) == {
        "SSL_CERT_FILE": "/etc/own.pem",
        "UV_FIND_LINKS": "/usr",
        "UV_INDEX": "https://one.example/simple https://two.example/simple",
        "UV_DEFAULT_INDEX": "https://user:word@mirror.example/simple",
        "UV_HTTP_TIMEOUT": "60",
    }


@pytest.mark.parametrize("listing", ["", "WARNING: something", "global.index-url=", "\n\n"])
def test_an_unparsable_listing_is_ignored(listing: str) -> None:
    """Unexpected output of pip never stops the setup."""
    assert pip_settings.for_uv(pip_settings.parse(listing), {}) == {}


def test_explicit_uv_settings_are_kept() -> None:
    """Explicit uv settings take precedence over pip's configuration."""
    parsed = pip_settings.parse("global.index-url='https://mirror.example/simple'")

    assert pip_settings.for_uv(parsed, {"UV_DEFAULT_INDEX": "https://own.example"}) == {}


def test_hard_links_count_once(tmp_path: Path) -> None:
    """uv creates hard links to files in its cache instead of copies."""
    from local.setup.progress import megabytes

    (tmp_path / "one").write_bytes(b"x" * 3 * 1024 * 1024)
    (tmp_path / "two").hardlink_to(tmp_path / "one")

    assert megabytes([tmp_path, tmp_path]) == 3


@pytest.mark.parametrize("module", ["prisma.actions", "prisma.client", "prisma.models", "prisma.types"])
def test_the_generated_client_is_compiled(module: str) -> None:
    """The bytecode matches the generated source, so the service never compiles it on startup."""
    spec = find_spec(module)
    assert spec and spec.origin and spec.cached
    # PEP 552: flags, then the modification time and the size of the source.
    flags, changed_at, size = struct.unpack_from("<III", Path(spec.cached).read_bytes(), 4)
    source = Path(spec.origin).stat()

    assert (flags, changed_at, size) == (0, int(source.st_mtime) & 0xFFFFFFFF, source.st_size)
