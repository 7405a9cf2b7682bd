"""Measures how well search finds restaurants, mistyped titles, and dishes by their meaning."""
