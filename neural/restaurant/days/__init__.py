"""The business day of a store: what was sold and what was paid, and how that compares with what its
tills state. ``summary.summarise`` is all that is known of one day, from the sums of ``sums`` (SQL)
and the meaning of ``figures``; ``comparing`` puts ours beside what a till states. The admin's pages
of days use it, the HTTP API, and the demo.
"""
