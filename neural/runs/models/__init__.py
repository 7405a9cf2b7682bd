"""The tables of runs: runs, attempts, bulk actions, saved views and edits; what a run is."""
