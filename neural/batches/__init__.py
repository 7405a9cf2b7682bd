"""Batches: many members, and what follows when all of them have ended; a chord's header is one.

Its main names are ``record`` and ``join`` (``recording``), ``report`` (``awaited``), ``ask``
(``ending``) and ``values`` (``results``); ``handle`` is what Python code gets from
``neural.batch()``. Whether a batch is over is read from its members' rows, outside the transaction
that settles them: when it has been committed, and by every relay each second.
"""
