"""The business day of a store: what was sold and what was paid, by SQL sums, and how that compares
with what its tills state.

- ``figures``: what the figures mean and how they fit together
- ``sums``, ``taxes``: their sums in the database
- ``summary``: all that is known of one day
- ``comparing``: ours beside what a till states
- ``tickets``: gaps in a till's sequence of tickets
- ``explaining``: events that may explain what is missing
"""
