"""What a sensor is like, found out by looking at it."""
