"""Suites: many runs as a matrix, each a process of its own, and what they are compared with."""
