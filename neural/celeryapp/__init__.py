"""Celery's API on top of the ledger: tasks, calls, options, results, control and beat.

The package is not named `celery`, which would shadow the library.
"""
