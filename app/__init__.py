"""The service: recordings in, transcripts and insights out, driven by QStash deliveries."""
