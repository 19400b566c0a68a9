"""Networks, each declaring which of its channels can be pruned."""
