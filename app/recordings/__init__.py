"""Recordings: received, stored, cut, transcribed, deleted."""
