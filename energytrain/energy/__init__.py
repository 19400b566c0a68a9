"""Energy: the recorder process, traces, windows, and the integration of readings into joules with error terms."""
