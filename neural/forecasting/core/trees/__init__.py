"""Gradient-boosted histogram trees, grown from sums over stores."""
