"""Answering a query: parsing it, looking up its words, ranking by evidence, and making hits.

``parsing.parse_query`` takes a query apart, ``looking_up.LookUp`` finds the rows that have parts of
it, ``evidence.rank`` orders them, and ``searching.search`` is the whole. The admin's page, the API,
the command and other apps (as ``neural.search``) use it.
"""
