"""Recordings as bytes: their format, and what the media process reads, measures and cuts."""
