"""The vector store in LanceDB.

``store.LanceStore`` is the store, ``connection.Connection`` opens its tables, and ``indexes`` makes
and compacts what they are found by. ``choosing`` alone imports it.
"""
