"""Tests of submitting events and recording runs."""
