"""Rounds of training: rows, each trained by one run of the ledger.

``opening.open_round`` invites stores and asks the first question, ``training.train_round`` goes on
to the end, and ``closing`` keeps the version and starts what waited. The Celery tasks, the commands
and the admin use them. Each change is a compare-and-set: a round has the same result even if a
process is killed anywhere and its work is repeated.
"""
