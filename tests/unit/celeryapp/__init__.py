"""Tests of ledger tasks by Celery's own calls."""
