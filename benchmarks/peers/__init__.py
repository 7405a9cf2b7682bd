"""Zhilian Neural beside what a user would pick instead, at the same work.

    python -m benchmarks.peers

**The work of an event**, the same for all: a durable event row and one enqueue in the same
transaction; the handler is one ``INSERT … ON CONFLICT DO UPDATE`` of three rows of demand
(``work.py``: the same statement, the same table); the outcome is kept in a row, with its times.

**The conditions**, the same for all: one PostgreSQL server with its durability on, two processes
that run handlers, persistent database connections, logs at WARNING, ANALYZE before each drain, a
fresh copy of a migrated database and a CHECKPOINT before each measurement. Workers start after
everything was submitted, and nobody's boot is counted. Delivery is at least once, except by
Celery, which is measured as commonly set up (``celery_peer/``).

**The figures**, events a second:

``single_submit``     events one by one, each in its own transaction, until the call returns.
``bulk_submit``       many at once, by ``neural.submit_many`` and by ``batch_defer``.
``one_by_one_drain``  single submits drained; Neural with its batches switched off.
``default_drain``     the same, Neural as it comes. A peer's rate is the same number in both.
``bulk_drain``        what was submitted in bulk. Neural's is its built-in ``sales.reported`` with
                      the real handler, which does more than the peers' upsert: it keeps the
                      report and recomputes the day.

A drain runs from the first start to the last outcome, by the timestamps in the database. The
start is the system's own record of it or the first handler's write, whichever is earlier. The
end is the last outcome's own time, which every system takes a moment before its last commit.
After each drain the events, the outcomes and the sums of demand must be exactly right, neither
lost nor done twice; otherwise the benchmark fails.

In each repeat every system is measured once, in an order that rotates. A ratio is formed within
one repeat; the table shows the median of the ratios. How each system is set up, and why, is
said in ``ours/``, ``procrastinate_peer/``, ``celery_peer/``, ``django_tasks_peer/`` and
``django_q_peer/``. Where a choice was open, it was made in the peers' favour: their event row
has no unique key and no index but its primary key, and their handlers get the report as an
argument instead of reading the event.
"""
