"""The rows of a speaking session: what its owner does, what a delivery does, what the sweep mends."""
