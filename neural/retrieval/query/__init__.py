"""Answering a query: parsing it, querying the index, combining the lists, and making hits."""
