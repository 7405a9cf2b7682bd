"""Rounds of training, carried out by runs of the ledger.

``opening`` opens a round and asks the first question. ``asking`` enqueues the runs in which stores
answer, and ``answering`` does the work of such a run. ``receiving`` is the only entry point for
answers. ``advancing`` moves a round on when all have answered or the time is up; ``closing`` ends
it. ``waiting`` has the runs that last as long as a round.
Each change is a compare-and-set. So a round has the same result even if a process is killed
anywhere and its work is repeated.
"""
