"""Data sets to tensors: what exists, how it is split, augmented and handed out in batches."""
