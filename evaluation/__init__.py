"""Proof that a model is good enough: a golden set, deterministic scores, and runs through the service's own adapters."""
