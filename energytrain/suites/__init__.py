"""Suites: many runs as a matrix, and what they are compared with. Nothing lives here yet."""
