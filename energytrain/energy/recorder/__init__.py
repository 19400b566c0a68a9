"""The recorder: a process of its own that reads the meters and writes the trace, whatever the training does."""
