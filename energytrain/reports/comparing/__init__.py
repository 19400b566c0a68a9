"""Runs against runs: means over seeds, paired differences, verdicts, and what makes runs unlike."""
