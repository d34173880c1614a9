"""Tests: what somebody who has just arrived does."""
