"""Tests of alert rules, what they find, and channels."""
