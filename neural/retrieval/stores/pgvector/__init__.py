"""The vector store in PostgreSQL with pgvector.

``store.PgVectorStore`` is the store, ``nearest`` finds rows by vectors, and ``words`` by tokens.
``choosing`` alone imports it.
"""
