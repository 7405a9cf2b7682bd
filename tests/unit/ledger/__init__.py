"""Tests of claims, attempts, outcomes and the tables of runs."""
