"""Charts of runs as still pictures, drawn with matplotlib."""
