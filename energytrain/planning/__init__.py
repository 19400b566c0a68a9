"""Planning: what a recipe costs on a device, without training."""
