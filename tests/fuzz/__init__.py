"""Random requests over every route: ``make fuzz``."""
