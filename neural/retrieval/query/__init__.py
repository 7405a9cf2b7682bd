"""Answering a query: parsing it, querying the index, combining the lists, and making hits.

``parsing.parse_query`` takes a query apart, ``fusion.rank`` orders the records that the store
lists, and ``searching.search`` is the whole. The admin's page, the API, the command and other apps
(as ``neural.search``) use it.
"""
