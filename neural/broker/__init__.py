"""Messages, and the broker that carries them; it decides nothing about runs.

``publisher`` sends what ``message`` makes of runs, ``envelopes`` checks what comes in, and
``patches`` lets workers outlive a broker that fails. The ledger publishes through it by its ports;
``celeryapp``, ``worker`` and the probes of ``health`` call it.
"""
