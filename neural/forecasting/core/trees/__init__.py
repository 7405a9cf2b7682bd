"""Histogram trees, grown from sums over stores."""
