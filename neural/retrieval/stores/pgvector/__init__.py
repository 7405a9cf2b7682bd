"""The vector store in PostgreSQL."""
