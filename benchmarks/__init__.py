"""Measures what the service costs: CPU, memory and engine requests. Run by ``make bench``; never part of production."""
