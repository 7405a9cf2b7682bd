"""Celery with django-celery-results, as its documentation sets the two up.

``delay_on_commit`` in the transaction of the event row; one prefork worker with two processes
on the Redis broker that Neural uses too; acknowledgement, prefetch and result options are the
defaults, the outcome is a row of ``django-db``. Celery then closes the database connection
around every task. ``celery-reuse`` is the same with ``CELERY_DB_REUSE_MAX``, its option against
that, so that nobody says Celery was held back.

What Celery does not do here, and the others do: the message is sent after the commit and a
crash between the two loses it; and with early acknowledgement a killed worker's tasks are lost.
The start of a task is kept only with ``task_track_started``, which is off by default and costs
a statement; the first handler's write stands for it.
"""
