"""Evaluates models: a golden set, deterministic scores, and runs through the service's own adapters."""
