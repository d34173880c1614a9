"""A stand-in for OpenAI's transcription: Moonshine, a small open model whose weights come with its wheel."""
