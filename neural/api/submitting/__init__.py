"""Events that arrive over HTTP, one or many at a time, recorded by the core's ``submit``.

``endpoints`` has the operations, ``requests`` turns a request into arguments of ``submit`` and its
answer into a status, and ``batch`` reads and answers many events while they arrive. ``version1``
mounts the router; nobody else imports this room.
"""
