"""The vector store in PostgreSQL with pgvector.

``store.PgVectorStore`` is the store, and ``connection`` speaks to the database. ``choosing`` alone
imports it.
"""
