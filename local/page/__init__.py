"""A web page for recording, watching and reading results. Only the local stack serves it."""
