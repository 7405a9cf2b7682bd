"""The analysis of demand: summaries by day and by week, with unusual days. ``analysing.analyse`` is
one run of it, ``summarising`` its arithmetic, and ``review.review`` the weeks of a store for
people. A nightly task, the command ``analyse_demand`` and the admin use it.
"""
