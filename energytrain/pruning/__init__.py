"""Masks, Early-Bird search, and networks made physically smaller."""
