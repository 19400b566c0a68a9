"""Number formats of training: what `--precision` means on a device, and how images and weights lie in memory."""
