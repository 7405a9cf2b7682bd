"""Where the indexes are: words in the database (``words``), vectors in a vector store.

``base.VectorStore`` is the interface of vector stores, with its ``Row``, ``Match`` and ``Within``;
``lance`` (LanceDB, embedded, the default), ``pgvector`` and ``sqlite`` (files, searched exactly)
implement it. ``choosing.vector_store`` makes the one of the settings, for ``index`` and ``query``.
"""
