"""Check the settings without starting the service, for a deployment pipeline."""

import argparse
import sys

from app.checks import load, warnings


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """None: the settings come from the environment."""


def run(_arguments: argparse.Namespace) -> int:
    """0 if the service would start; warnings are printed either way. Raises SettingsError."""
    for sentence in warnings(load()):
        print(f"warning: {sentence}", file=sys.stderr)
    print("the settings are complete")
    return 0
