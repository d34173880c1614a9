"""Frontend tests: a small Next.js site in front of the service, like the real frontend."""
