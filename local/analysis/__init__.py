"""A stand-in for Claude: grammar rules and counting, with answers of the same shape. It finds less than Claude does."""
