"""Rounds of training, carried out by runs of the ledger.

``opening.open_round`` invites stores and asks the first question, ``answering.answer_exchange``
lets some of them answer, and ``advancing.advance`` moves a round on when all have answered or the
time is up. The Celery tasks, the commands and the admin use them. Each change is a compare-and-set:
a round has the same result even if a process is killed anywhere and its work is repeated.
"""
