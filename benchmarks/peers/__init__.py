"""Compares Zhilian Neural with what a user would choose instead, at the same work.

    python -m benchmarks.peers

**The work of an event** is the same for all: a durable event row and one enqueue in the same
transaction. The handler is one ``INSERT … ON CONFLICT DO UPDATE`` of three rows of demand
(``work.py``: the same statement, the same table). The outcome is kept in a row, with its times.

**The conditions** are the same for all: one PostgreSQL server with its durability on, two processes
that run handlers (one at a time each, but ten in PgQueuer's own setup), persistent database
connections, logs at WARNING, ANALYZE before each drain, and a fresh copy of a migrated database and
a CHECKPOINT before each measurement. Workers start after everything was submitted, and their start
is not counted. Delivery is at least once, except with Celery, which is measured in its common setup
(``celery_peer``).

**The figures** are events a second:

``single_submit``     Events one by one, each in its own transaction, until the call returns.
``bulk_submit``       Many events at once, by the call that the system has for it, if any.
``one_by_one_drain``  Single submits drained; Neural with its batches switched off.
``default_drain``     The same, with Neural's defaults. A peer's rate is the same number in both.
``bulk_drain``        The bulk submits drained. Neural's are its built-in ``sales.reported`` with
                      the real handler, which does more than the peers' upsert: it keeps the
                      report and recomputes the day.
``delay``             Calls of a task that does the upsert, one by one, without an event: a task of
                      the ledger, and plain tasks of Celery, of which ``celery-reuse`` keeps the
                      results in the database and ``celery-redis`` in Redis.
``task_drain``        These calls drained. Of plain Celery, which keeps no start, from the first
                      write to the last.

A drain lasts from the first start to the last outcome, by the timestamps in the database. The start
is the system's own record of it or the first handler's write, whichever is earlier. The end is the
last outcome's own time, which every system takes a moment before its last commit. After each drain
the events, the outcomes and the sums of demand must be exactly right, with nothing lost or done
twice; otherwise the benchmark fails.

In each repeat every system is measured once, in an order that rotates. A ratio is computed within
one repeat; the table shows the median of the ratios. The docstrings of ``ours``,
``procrastinate_peer``, ``celery_peer``, ``django_tasks_peer``, ``django_q_peer``,
``django_ox_peer`` and ``pgqueuer_peer`` say how each system is set up, and why. An open choice was
made in the peers' favour: their event row has no unique key and no index but its primary key, and
their handlers get the report as an argument instead of reading the event.
"""
