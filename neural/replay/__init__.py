"""Real sales as events, and drills: an app to install beside ``neural`` (it has no tables).
``bakery`` replays a chain's sales, ``till_days`` plays invented tills (``till.Till``), and
``cases`` has each thing that may go wrong. The command ``replay_bakery`` and the project's demo use
it.
"""
