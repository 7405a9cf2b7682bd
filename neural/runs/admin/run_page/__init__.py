"""The page of a run: what it did, what stands around it, and 'Edit and retry'.

Its main names are ``RunPageAdmin`` (the page in place of Django's own), ``timeline`` (its course,
step by step) and ``EditingAdmin`` (the form that edits a run and retries it). The admin of
runs uses it; ``around`` is shown on an event's page in other apps, too.
"""
