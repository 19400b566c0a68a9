"""Integrations: thin adapters to other people's trainers and trackers. Nothing lives here yet."""
