"""A stand-in for OpenAI's transcription: Moonshine, a small open model whose weights are in its wheel."""
