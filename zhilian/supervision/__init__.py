"""Starts, watches and ends the processes of one machine, with their lines in one terminal.
``processes.Supervisor`` keeps programs running, ``embedded.EmbeddedBroker`` is a broker of our own,
and both die with their starter (``die_with_parent``). The commands ``up`` and ``demo`` use it, and
the tests.
"""
