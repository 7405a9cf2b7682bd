"""Messages, and the broker that carries them: it publishes, checks what comes in, and connects.

Its main names are ``publisher.Publisher``, ``message.RunMessage`` and ``envelopes``. The ledger's
relay and workers use it; it decides nothing about runs.
"""
