"""Search: records as documents, their tokens and vectors in an index that keeps up with events.

A collection (``collections``) turns a record into a document (``documents``). Its words become
tokens (``text``), its sentences vectors (``embedders``); both are kept in a vector store
(``stores``). ``indexing`` keeps the index up with the database, ``search`` asks it.
"""
