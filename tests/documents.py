"""``make docs``: writes the pages of docs/ that are made from the code. tests/unit/test_documents.py fails if one is stale."""

import json
from collections.abc import Callable
from pathlib import Path

from app import refusals
from app.errors import AppError, InvalidState, Permanent, Refused, StepFailed, Unavailable
from benchmarks.table import RESULTS, as_markdown
from tests.support.api_page import api
from tests.support.scale_page import scale

DOCS = Path(__file__).parent.parent / "docs"
MADE = "<!-- Made by `make docs`: change what it is made from, not this page. -->\n"

# When an error happens that is no refusal of a request.
OTHERS: dict[type[AppError], str] = {
    InvalidState: "The delivery may not process this session in its current state. `Retry-After` is set while another delivery "
    "holds it.",
    StepFailed: "A step of the pipeline failed. QStash retries, after `Retry-After` if a provider asked for it.",
    Permanent: "A step failed and a retry cannot succeed. The header `Upstash-NonRetryable-Error` tells QStash to stop.",
    Unavailable: "Storage or the database cannot be reached.",
}


def errors() -> str:
    """docs/errors.md, from the docstrings and sentences of app/refusals.py."""
    reasons = {
        value: (value.__doc__ or "").replace("``", "`")
        for value in vars(refusals).values()
        if isinstance(value, type) and issubclass(value, Refused) and value is not Refused
    }
    rows = sorted(
        (error.code.value, error.status, _sentence(error), " ".join(when.split()))
        for error, when in (reasons | OTHERS).items()
    )
    table = "\n".join(f"| `{code}` | {status} | {sentence} | {when} |" for code, status, sentence, when in rows)
    return f"""{MADE}
# Error codes
Every error body is `{{"error": sentence, "code": CODE}}` and nothing else, on every path and method.
Branch on the code, not on the sentence. [api.md](api.md) says which endpoint answers what.

| code | status | sentence | when |
|---|---|---|---|
{table}
"""


def _sentence(error: type[AppError]) -> str:
    if error is refusals.InvalidText:
        return refusals.InvalidText("topic", 10_000).message
    return error.answer or error.message


def costs() -> str:
    """docs/costs.md, from the newest results in benchmarks/results."""
    newest = max(RESULTS.glob("*.json"))
    measured = json.loads(newest.read_text())
    about = measured["about"]
    return f"""{MADE}
# What it costs
CPU of the application and its query engine together, with providers that answer at once, in
`benchmarks/results/{newest.name}`: median [min-max] of {max(len(runs) for runs in measured["runs"].values())} runs on \
{about["cores"]} cores with Python {about["python"]}. The figures of the
original come from a machine of the same kind. Times differ between machines;
[decisions/cpu.md](decisions/cpu.md) explains where the time goes.

{as_markdown(measured["runs"])}

`make bench` measures all of it: it starts PostgreSQL, storage and providers, reads CPU time and memory
(PSS) from the kernel, and counts requests in the engine. `KEEP=1` keeps the results for this page.
Deliveries are measured after a hundred warm-up deliveries, because the engine is compiled while it runs.
`COMMIT=…` also measures another commit; `BASE_URL=… PID=…` measures another server with the same API.
Memory during the polls rises and falls with the engine's heap and shows no trend.
"""


PAGES: dict[str, Callable[[], str]] = {
    "api.md": lambda: MADE + api(),
    "errors.md": errors,
    "costs.md": costs,
    "scale.md": lambda: MADE + scale(),
}


def main() -> None:
    """Write each page."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())


if __name__ == "__main__":
    main()
