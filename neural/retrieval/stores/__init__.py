"""Vector stores: LanceDB (embedded, the default) and PostgreSQL with pgvector."""
