"""Kills of every process while learners work."""
