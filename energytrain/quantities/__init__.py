"""Quantities: energy, provenance, scope and ledger records. Plain data; imports nothing of the house."""
