"""Measurements. `python -m benchmarks.first_figures` prints JSON; see README.md here."""
