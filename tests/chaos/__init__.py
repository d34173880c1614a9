"""Chaos tests: processes are killed at random while learners use the service."""
