"""Trouble that the stand-ins for the models can play, set by the environment of ``make run``."""

import os


def trouble(model: str) -> str | None:
    """What is wrong with ``model``: each of RETIRED, NO_CREDIT and RATE_LIMITED names models, comma-separated."""
    for name in ("RETIRED", "NO_CREDIT", "RATE_LIMITED"):
        if model in [one.strip() for one in os.environ.get(name, "").split(",")]:
            return name.lower().replace("_", " ")
    return None
