"""Answering a query: from the request to the ranked hits in four files.

``searching.search`` is the whole. ``reading.read_question`` says what of the text limits the search
(its grammar is in ``filters``) and takes the rest apart (``parsing``). ``looking_up.look_up`` finds
the rows that have parts of it, for all collections side by side. ``evidence.rank`` orders them, and
the best become ``hits``. The admin's page, the API, the command and other apps (as
``neural.search``) use it.
"""
