"""Bench tools: protocols over meters (calibrate, align, agree). Nothing lives here yet."""
