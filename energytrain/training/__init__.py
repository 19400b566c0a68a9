"""Training: one loop, its schedule and optimiser, evaluation, and checkpoints from which it goes on bit by bit."""
