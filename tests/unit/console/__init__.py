"""Tests of the console's pages, figures and metrics."""
