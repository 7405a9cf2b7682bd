"""django-q2 on its ORM broker, with the options of that broker's example in its documentation.

It uses the ORM broker because no other one enqueues in the event's transaction and redelivers a
task that was not acknowledged. Its Redis broker has no receipts and loses what a dead worker held.
One cluster has two workers, and its own pusher and monitor processes beside them.

The documentation's example sets ``bulk`` 10, ``queue_limit`` 50, ``timeout`` 90 and ``retry`` 120.
``save_limit`` 0 keeps every outcome; the default keeps 250, and locks them all at each outcome to
find the oldest. ``recycle`` is set so high that it is never reached: a new process every 500 tasks
(the default) would cost up to half a second each time. It has no interface for bulk enqueueing.

Its ``started`` is the time of enqueueing. Its ``stopped`` is taken in the worker, before another
process saves the outcome. So the first handler's write is used as the start, and a column that the
database fills (``saved_at``) as the end.
"""
