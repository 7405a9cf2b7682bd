"""Events: their types and handlers, and how they are submitted, recorded and refused.

Its main names are ``submit``, ``submit_many`` and ``handles``. The HTTP API, webhooks, commands and
your own code use it; it writes events with their runs in the caller's transaction.
"""
