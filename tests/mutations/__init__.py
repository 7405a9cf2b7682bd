"""Faults that somebody may make, each with the test that notices it.

``python -m tests.mutations`` puts them one at a time into a copy of the checkout, and runs that
test on both databases.
"""
