"""The operator's commands: a module for each command of ``python -m app``, the checks of ``doctor``, and what they share."""
