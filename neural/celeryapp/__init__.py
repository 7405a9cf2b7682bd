"""The API of Celery with the ledger behind it.

Tasks, calls, options, results, control and beat. Not named `celery`, which would shadow the
package.
"""
