"""What Vercel would build and run, built and run here without an account."""
