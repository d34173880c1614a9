"""Installs what the commands need, inside this folder only. Uses only the standard library: no package is there yet."""
