"""Charts of runs as plain data: what a page and a still picture both draw."""
