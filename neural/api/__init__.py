"""The HTTP API: tills and other programs submit events and read what became of them.

A project mounts it with ``path("api/", include("neural.api.urls"))``. Apps add endpoints of their
own in a module ``neural_api`` (see :mod:`neural.api.version1`).
"""
