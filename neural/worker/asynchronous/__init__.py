"""A worker that waits for many at once: ``manage.py worker --pool async``.

Work that is an ``async def`` mostly waits for other servers. In a pool of processes each such wait
holds a process. Here, one process with one event loop does up to a hundred runs at once.

It is a Celery worker like any other (its messages, row, heartbeat, relay, remote control and stop)
with a pool of its own. Each run is claimed by its own message, with its own token, limits and
outcome. Its threads never wait for each other's work:

* Celery's main thread takes messages from the broker and acknowledges them (``pool``).
* The ledger's thread claims and settles (``runner``).
* The loop's thread has the coroutines (``loop``).
* One thread makes the ORM calls of all coroutines, and one does work that is no coroutine, one run
  after the other (``lane``). Each job in them is called as guardedly as work alone.
* The relay's thread sends heartbeats (``neural.worker.process``).

A soft limit and a revocation cancel one coroutine; its neighbours notice nothing. A coroutine that
blocks the loop, or a call that blocks one of the two threads, can be stopped by nothing but the end
of the process. At its hard limit, a thread (``watchdog``) counts a lost delivery for this run
alone, releases the others uncounted, and ends the process.

If the process is killed, nobody knows which run was at fault, and each has lost a delivery. So that
a poison does not take all its neighbours down again, runs that were lost before are started a few
at a time, and one that another loss would leave dead beside no other of them.
"""
