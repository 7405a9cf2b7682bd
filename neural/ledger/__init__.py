"""The ledger: runs are recorded, claimed, executed, settled, taken back and pruned by fenced SQL.

Its main names are ``enqueue`` (``record``), ``claim`` and ``settle``; ``retry`` is the policy of
retries, and ``interrupts`` the one window through which it knows Celery. Workers, Celery's API and
events use it; it decides alone what becomes of a run.
"""
