"""Reads of events, runs and stores over HTTP, and their retries.

``events`` and ``runs`` have the operations, ``fields`` the types of parameters and answers, and
``pages`` the cursors of lists. ``version1`` mounts the routers; the ``neural_api`` modules of other
apps use ``fields`` and ``pages``.
"""
