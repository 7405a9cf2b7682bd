"""Procrastinate with its Django integration: ``defer`` in the transaction of the event row.

Two worker processes run with concurrency 1, the default of each. A job is fetched, run in the
worker's thread with Django's connection, and finished, with one statement each. Finished jobs are
kept (the default), and a trigger records when they started and ended. In bulk, ``bulk_create``
writes event rows and ``batch_defer`` jobs, 500 in a transaction, as many as Neural's.
"""
