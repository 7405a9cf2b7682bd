"""What an app defines to make its records searchable.

A ``registry.SearchCollection`` is a kind of records, a ``documents.Document`` what is searched of
one, and ``registry.Rows`` a source whose records are rows of a model. Other apps register theirs in
``neural_collections``; ``index`` reads them.
"""
