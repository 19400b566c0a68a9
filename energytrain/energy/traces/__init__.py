"""What a recorder writes: its file, its clocks, and what it says beside the power."""
