"""A Next.js site of our own in front of the service, as the real frontend is."""
