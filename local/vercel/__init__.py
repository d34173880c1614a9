"""Builds the function as Vercel does, and runs it on this machine without an account."""
