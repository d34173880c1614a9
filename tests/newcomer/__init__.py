"""A scripted new user: a fresh clone, and the commands of the documentation."""
