"""Vector stores: LanceDB (embedded, the default) and PostgreSQL with pgvector.

``base.VectorStore`` is the interface, with its ``Row``, ``Match`` and ``Within``; ``lance`` and
``pgvector`` implement it. ``choosing.vector_store`` makes the one of the settings, for ``index``
and ``query``.
"""
