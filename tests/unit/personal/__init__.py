"""Tests of personal data and its erasure."""
