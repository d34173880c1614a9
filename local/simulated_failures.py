"""Failures that the stand-ins for the models can simulate, set in the environment of ``make run``."""

import os


def failure_of(model: str) -> str | None:
    """Return the failure to simulate for ``model``: RETIRED, NO_CREDIT and RATE_LIMITED are comma-separated lists."""
    for name in ("RETIRED", "NO_CREDIT", "RATE_LIMITED"):
        if model in [one.strip() for one in os.environ.get(name, "").split(",")]:
            return name.lower().replace("_", " ")
    return None
