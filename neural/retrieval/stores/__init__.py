"""Where the indexes are: words (``words``) and vectors (``database``) in the database.

``base.VectorStore`` is the interface of vector stores, with its ``Row``, ``Match`` and ``Within``;
``database.DatabaseStore`` implements it, and yours may. ``choosing.vector_store`` makes the one of
the settings, for ``index`` and ``query``.
"""
