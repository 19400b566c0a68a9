"""Meters: one file a power source, the driver and nothing else; `catalog` finds them."""
