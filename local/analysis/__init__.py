"""A stand-in for Claude: grammar rules and counting, in the same answer's shape. It finds less than Claude does."""
