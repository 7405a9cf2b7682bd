"""What every room is made of, and no noun of its own: settings, errors, registries, what a database
can keep, pages of large tables by key, requests to other servers.

Nothing here knows events or runs, but for ``keyset``, whose walks ask the ledger's dialects. Every
room and every app uses it.
"""
