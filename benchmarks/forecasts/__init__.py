"""Measures the quality of the forecasts on real sales, beside simple and pooled methods."""
