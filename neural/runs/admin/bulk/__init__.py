"""Bulk actions in the admin: what people do to many runs at once, from question to outcomes.

Its main names are ``BulkPreview`` (the page that asks) and ``BulkActionAdmin`` (the actions, with
stop and resume). The list of runs, the pages of error groups and of queues lead to it, by
:func:`neural.runs.acts.preview_address`.
"""
