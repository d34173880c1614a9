"""What pip is told about indexes, certificates and proxies, in uv's terms: both ask the same servers the same way."""

import ast
from collections.abc import Mapping
from pathlib import Path

# pip's option (https://pip.pypa.io/en/stable/cli/pip_install/) and the variable that tells uv the same
# (https://docs.astral.sh/uv/reference/environment/).
_ONE = {
    "index-url": "UV_DEFAULT_INDEX",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
    "no-index": "UV_NO_INDEX",
}
# pip separates several values by white space.
_SEVERAL = {
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
}
# The sections of pip's configuration that hold for "pip install"; a later one wins.
_SECTIONS = ("global", "install", ":env:")


def parse(listing: str) -> dict[str, str]:
    """The options in the output of ``pip config list``, the one that pip would use for each."""
    found: dict[tuple[int, str], str] = {}
    for line in listing.splitlines():
        name, equals, quoted = line.partition("=")
        section, _, option = name.rpartition(".")
        if equals and quoted and section in _SECTIONS:
            found[_SECTIONS.index(section), option] = str(ast.literal_eval(quoted))
    return {option: value for (_, option), value in sorted(found.items())}


def for_uv(options: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Variables for uv. One that the user has set for uv already stays."""
    variables = {_ONE[option]: value for option, value in options.items() if option in _ONE}
    for option, (variable, separator) in _SEVERAL.items():
        # A folder that is not there is a warning to pip, an error to uv.
        words = [word for word in options.get(option, "").split() if not word.startswith("/") or Path(word).exists()]
        if words:
            variables[variable] = separator.join(words)
    return {name: value for name, value in variables.items() if value and name not in environment}
