"""Tests of semantic search."""
