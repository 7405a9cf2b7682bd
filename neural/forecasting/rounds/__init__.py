"""Rounds of training on the ledger: opened, asked, answered, received, moved on, closed.

``opening`` opens a round and puts the first question; ``asking`` asks for the runs in which
stores answer; ``answering`` is such a run; ``receiving`` is the one entry point for answers;
``advancing`` moves a round on when all have answered or the time is up; ``closing`` ends it;
``waiting`` is whatever lasts as long as a round.
Each change is a compare-and-set: killed anywhere and done again, a round comes out the same.
"""
