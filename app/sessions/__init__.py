"""The rows of a speaking session: what its owner, a delivery, the sweep and an operator do to it."""
