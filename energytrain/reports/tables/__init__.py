"""Tables of runs as plain data, and what they are written as: terminal, markdown, CSV, JSON, LaTeX, HTML."""
