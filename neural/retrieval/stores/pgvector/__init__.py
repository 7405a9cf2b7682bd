"""The vector store in PostgreSQL with pgvector."""
