"""The power monitors of Jetson boards."""
