"""Keeping the search indexes up to date: indexing, rebuilding and compaction."""
