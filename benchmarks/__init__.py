"""Measures what the service costs: CPU, memory, engine requests. Run by ``make bench``; never part of production."""
