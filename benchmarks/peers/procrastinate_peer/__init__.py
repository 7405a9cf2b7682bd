"""Procrastinate by its Django integration: ``defer`` in the transaction of the event row.

Two worker processes with concurrency 1, the default of each. A job is fetched, run in the
worker's thread with Django's connection and finished, by a statement each; finished jobs are
kept (the default), and a trigger records when they started and ended. In bulk: event rows by
``bulk_create`` and jobs by ``batch_defer``, 500 in a transaction, as many as Neural's.
"""
