"""The run folder: its format, the marks in it, and what a run cost, computed from them. Knows no torch."""
