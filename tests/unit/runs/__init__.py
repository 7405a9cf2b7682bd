"""Tests of a run's page, lists of runs and actions on many."""
