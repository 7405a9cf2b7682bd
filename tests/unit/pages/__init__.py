"""Tests of all pages at once: addresses, permissions, statements, translations."""
