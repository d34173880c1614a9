"""Sets up what the commands need, below this folder only. Runs before any package is there: standard library alone."""
