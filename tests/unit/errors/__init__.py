"""Tests of error groups."""
