"""django-q2 on its ORM broker, with the options of that broker's example in its documentation.

The ORM broker, because it alone enqueues in the event's transaction and gives a task again that
was not acknowledged; its Redis broker has no receipts and loses what a dead worker held. One
cluster with two workers (and its own pusher and monitor processes beside them).

From the documentation's example: ``bulk`` 10, ``queue_limit`` 50, ``timeout`` 90, ``retry`` 120.
``save_limit`` 0 keeps every outcome; the default keeps 250 and, to find the oldest, locks them
all at each. ``recycle`` is out of reach: a new process each 500 tasks (the default) would cost
up to half a second each time. It enqueues in bulk by no interface of its own.

Its ``started`` is when a task was enqueued, and its ``stopped`` is taken in the worker, before
another process saves the outcome. So the first handler's write stands for the start, and a
column that the database fills (``saved_at``) for the end.
"""
