"""Celery with django-celery-results, set up as their documentation says.

``delay_on_commit`` is called in the transaction of the event row. One prefork worker with two
processes runs on the same Redis broker as Neural. Acknowledgement, prefetch and result options are
the defaults, and the outcome is a row of ``django-db``. With these, Celery closes the database
connection around every task. ``celery-reuse`` is the same with Celery's option against that,
``CELERY_DB_REUSE_MAX``, so that the comparison does not hold Celery back.

Two things Celery does not do here, and the others do. The message is sent after the commit, and a
crash between the two loses it. With early acknowledgement, a killed worker's tasks are lost. A
task's start is recorded only with ``task_track_started``, which is off by default and costs a
statement; the first handler's write is used instead.
"""
