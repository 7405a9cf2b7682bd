"""The demo: real sales and invented live events through real workers. ``Demonstration`` runs it
with the submitters of ``jobs``, ``report.build`` gathers what became of all, and ``text`` prints
it. The command ``demo`` is its only user.
"""
