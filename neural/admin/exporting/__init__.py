"""Lists as files: CSV and NDJSON of what a list displays, streamed, for whoever may see it.

Its main names are ``ExportingAdmin`` (an admin whose list has the two files), ``Column`` (what a
file has of a row) and ``FORMATS``. :class:`neural.admin.scope.NeuralAdmin` uses it, so all lists
have files.
"""
