"""From readings to joules and their bounds: pure functions on arrays."""
