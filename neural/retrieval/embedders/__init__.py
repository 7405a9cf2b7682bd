"""Embedders: they turn text into vectors."""
