"""The list of runs: found by one search box, chosen by chips and tabs, shown as names before codes.

:mod:`neural.runs` finds the runs; here is how they are shown.
"""
