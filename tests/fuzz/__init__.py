"""Fuzz tests: random requests to every route (``make fuzz``)."""
